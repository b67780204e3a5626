package relaytest

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip77/negentropy"
	"github.com/nbd-wtf/go-nostr/nip77/negentropy/storage/vector"
)

// Negentropy scripts what a relay makes of NIP-77. The zero value does not speak it and says so as strfry does when it is
// switched off. The answering side is the library's, so that a fault in our own protocol code shows.
type Negentropy struct {
	Speak      bool
	Frame      int                       // bytes of an answer, 60,000
	Refuse     string                    // NEG-ERR with that text
	Cap        int                       // more events than that: NEG-ERR "too many query results"
	StateCap   bool                      // and it names the cap
	Notice     string                    // a NOTICE in place of an answer
	Closed     string                    // CLOSED in place of an answer
	RefuseOnly func(f nostr.Filter) bool // Refuse, Notice and Closed hold for these filters
	Silent     bool                      // no answer
	SilentFrom int                       // no answer from that message of a session on; 0: every message is answered
	Version    byte                      // of the answers, in place of 0x61
	Garbage    string                    // hex, in place of answers
	Newest     int                       // lists only so many events, the newest, and does not say so
	Hide       func(id string) bool      // ids that it does not list, and serves
	Made       []string                  // ids that it lists and does not have
	Endless    bool                      // lists ids for ever
	Withhold   func(id string) bool      // ids that a REQ by ids does not give
	IDsCap     int                       // ids of one REQ that it gives, PageCap
	Delay      time.Duration             // before each answer
	OpensLate  time.Duration             // NEG-MSG up to so long after the NEG-OPEN is of no session that it knows, as in khatru for a moment
}

// negSession is one reconciliation.
type negSession struct {
	talk    *negentropy.Negentropy
	answers int
	from    time.Time // not known before
}

func (c *conn) negOpen(msg []byte, parts []json.RawMessage, o Options) {
	var sub, payload string
	var f nostr.Filter
	if len(parts) != 4 || json.Unmarshal(parts[1], &sub) != nil || json.Unmarshal(parts[2], &f) != nil || json.Unmarshal(parts[3], &payload) != nil {
		c.bad(msg)
		return
	}
	c.relay.note(func(r *record) {
		r.reconciliations = append(r.reconciliations, Request{At: time.Now(), Conn: c.id, Sub: sub, Filters: []nostr.Filter{f}})
	})
	n := o.Negentropy
	if !n.Speak {
		c.say("NOTICE", "ERROR: bad msg: negentropy disabled")
		return
	}
	if n.RefuseOnly == nil || n.RefuseOnly(f) {
		switch {
		case n.Refuse != "":
			c.say("NEG-ERR", sub, n.Refuse)
			return
		case n.Notice != "":
			c.say("NOTICE", n.Notice)
			return
		case n.Closed != "":
			c.say("CLOSED", sub, n.Closed)
			return
		}
	}
	c.relay.mu.Lock()
	events := c.relay.store.query(f, math.MaxInt)
	if _, ok := f.Tags[o.Unindexed]; ok {
		events = nil
	}
	c.relay.mu.Unlock()
	if n.Cap > 0 && len(events) > n.Cap {
		if n.StateCap {
			c.say("NEG-ERR", sub, "blocked: too many query results", n.Cap)
		} else {
			c.say("NEG-ERR", sub, "blocked: this query is too big")
		}
		return
	}
	if n.Newest > 0 {
		events = events[:min(len(events), n.Newest)]
	}
	if n.Hide != nil {
		events = slices.DeleteFunc(slices.Clone(events), func(e nostr.Event) bool { return n.Hide(e.ID) })
	}
	v := vector.New()
	for _, e := range events {
		v.Insert(e.CreatedAt, e.ID)
	}
	for _, id := range n.Made {
		v.Insert(1_600_000_000, id)
	}
	v.Seal()
	frame := n.Frame
	if frame == 0 {
		frame = 60_000
	}
	s := &negSession{talk: negentropy.New(v, frame), from: time.Now().Add(n.OpensLate)}
	c.mu.Lock()
	if c.negs == nil {
		c.negs = map[string]*negSession{}
	}
	c.negs[sub] = s
	c.mu.Unlock()
	c.negAnswer(sub, s, payload, o)
}

func (c *conn) negMsg(msg []byte, parts []json.RawMessage, o Options) {
	var sub, payload string
	if len(parts) != 3 || json.Unmarshal(parts[1], &sub) != nil || json.Unmarshal(parts[2], &payload) != nil {
		c.bad(msg)
		return
	}
	c.mu.Lock()
	s := c.negs[sub]
	c.mu.Unlock()
	if s != nil && time.Now().Before(s.from) {
		c.say("NEG-ERR", sub, "CLOSED")
		return
	}
	if s == nil {
		c.say("NEG-ERR", sub, "closed: unknown subscription handle")
		return
	}
	c.negAnswer(sub, s, payload, o)
}

func (c *conn) negClose(parts []json.RawMessage) {
	var sub string
	_ = json.Unmarshal(parts[1], &sub)
	c.mu.Lock()
	delete(c.negs, sub)
	c.mu.Unlock()
	c.relay.note(func(r *record) { r.closes = append(r.closes, sub) })
}

func (c *conn) negAnswer(sub string, s *negSession, payload string, o Options) {
	n := o.Negentropy
	s.answers++
	c.relay.note(func(r *record) { r.negBytes += len(payload) })
	if !c.pause(n.Delay) || n.Silent || n.SilentFrom > 0 && s.answers >= n.SilentFrom {
		return
	}
	switch {
	case n.Version != 0:
		c.say("NEG-MSG", sub, fmt.Sprintf("%02x", n.Version))
		return
	case n.Garbage != "":
		c.say("NEG-MSG", sub, n.Garbage)
		return
	case n.Endless:
		c.say("NEG-MSG", sub, c.madeUp(s.answers))
		return
	}
	answer, err := s.talk.Reconcile(payload)
	if err != nil {
		c.say("NEG-ERR", sub, "PROTOCOL-ERROR")
		return
	}
	c.relay.note(func(r *record) { r.negBytes += len(answer) })
	c.say("NEG-MSG", sub, answer)
}

// madeUp lists 1,000 ids that are nobody's below everything, and says that there is more above.
func (c *conn) madeUp(round int) string {
	const n = 1000
	msg := []byte{0x61}
	// The range up to one second later than that of the round before, as a list.
	msg = append(msg, varint(uint64(round)+1)...)
	if round > 1 {
		msg = append([]byte{0x61}, append(varint(uint64(round)), 0, 0)...) // skip what was listed
		msg = append(msg, varint(2)...)
	}
	msg = append(msg, 0, 2)
	msg = append(msg, varint(n)...)
	for i := range n {
		msg = fmt.Appendf(msg, "%08d%024d", round, i)
	}
	msg = append(msg, 0, 0, 1) // to the end: a fingerprint that differs
	msg = append(msg, fmt.Sprintf("%016d", round)...)
	return hex.EncodeToString(msg)
}

func varint(n uint64) []byte {
	out := []byte{byte(n & 0x7f)}
	for n >>= 7; n > 0; n >>= 7 {
		out = append([]byte{byte(n&0x7f) | 0x80}, out...)
	}
	return out
}

// withhold takes what a REQ by ids does not give out of an answer.
func (o Options) withhold(f nostr.Filter, events []nostr.Event) []nostr.Event {
	n := o.Negentropy
	if len(f.IDs) == 0 {
		return events
	}
	var out []nostr.Event
	for _, e := range events {
		if (n.Withhold == nil || !n.Withhold(e.ID)) && (n.IDsCap == 0 || len(out) < n.IDsCap) {
			out = append(out, e)
		}
	}
	return out
}
