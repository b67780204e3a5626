package server

import (
	"crypto/rand"
	"net/url"
	"strings"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// demandAuth sends the challenge of this connection (NIP-42).
func (c *client) demandAuth() {
	if c.challenge == "" {
		c.challenge = rand.Text()
	}
	c.tell(authFrame(c.challenge))
}

// takeAuth checks the answer to it. The signature is checked at once: a client does this once.
func (c *client) takeAuth(raw []byte) {
	e, err := event.Parse(raw, c.srv.limits.Event)
	if err != nil {
		if id, ok := claimedID(raw); ok {
			c.tell(okFrame(id, false, "invalid: "+parseReason(err)))
		}
		return
	}
	if reason := c.authFault(e, time.Now()); reason != "" {
		c.tell(okFrame(e.Event.ID, false, "invalid: "+reason))
		return
	}
	c.proven[e.PubKey] = true
	c.tell(okFrame(e.Event.ID, true, ""))
}

func (c *client) authFault(e *event.Event, now time.Time) string {
	if e.Kind != event.KindAuth {
		return "AUTH takes an event of kind 22242"
	}
	if age := now.Sub(e.CreatedAt.Time()); age > authSkew || age < -authSkew {
		return "created_at is not now"
	}
	challenge, relay := "", ""
	for _, tag := range e.Tags {
		if len(tag) < 2 {
			continue
		}
		switch tag[0] {
		case "challenge":
			challenge = tag[1]
		case "relay":
			relay = tag[1]
		}
	}
	if c.challenge == "" || challenge != c.challenge {
		return "not the challenge of this connection"
	}
	u, err := url.Parse(relay)
	if err != nil || !strings.EqualFold(u.Host, c.host) {
		return "the relay tag names another relay"
	}
	if len(c.proven) >= provenKeys {
		return "too many keys on this connection"
	}
	if !e.Verify() {
		return "the signature does not verify"
	}
	return ""
}
