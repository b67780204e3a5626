package relay

import (
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// challenged answers a challenge, where there is a key for the relay.
func (c *Conn) challenged(f Frame) {
	msg, err := c.login.challenged(f.Text, f.At)
	sayLogin(msg, err, c.log, c.send)
}

// sayLogin sends the answer to a challenge, when there is one.
func sayLogin(msg []byte, err error, log *zap.Logger, send func([]byte)) {
	switch {
	case err != nil:
		log.Warn("login cannot be signed", zap.Error(err))
	case msg != nil:
		send(msg)
	}
}

// judged takes an OK, which only a login brings here.
func (c *Conn) judged(f Frame) {
	id, err := event.ParseID(f.Sub)
	if err != nil {
		return
	}
	ours, msg, err := c.login.judged(id, f.OK, f.Text, f.At)
	if !ours {
		return
	}
	sayLogin(msg, err, c.log, c.send)
	if msg == nil {
		c.loginBy = time.Time{}
	}
	if c.login.refused != "" {
		c.log.Warn("relay refuses the login", zap.String("reason", c.login.refused))
	}
}

// wantsLogin takes a CLOSED for want of a login, of what was sent at that time, and reports whether it is to be sent again. Nothing else is
// sent before the login, or before it has been waited for long enough.
func (c *Conn) wantsLogin(sent, now time.Time) bool {
	if !c.login.may(sent) || (!c.login.in() && !c.loginBy.IsZero() && !now.Before(c.loginBy)) {
		return false
	}
	if !c.login.in() && c.loginBy.IsZero() {
		c.loginBy = now.Add(loginWait)
	}
	return true
}
