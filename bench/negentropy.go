package main

import (
	"encoding/json"
	"math"

	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip77/negentropy"
	"github.com/nbd-wtf/go-nostr/nip77/negentropy/storage/vector"
)

// frameBytes is the length of an answer at most, two hex digits each: what strfry sends.
const frameBytes = 60_000

// vectorOf is the library's set of some events.
func vectorOf(events []entry) *vector.Vector {
	v := vector.New()
	for _, e := range events {
		v.Insert(e.event.CreatedAt, e.event.ID)
	}
	v.Seal()
	return v
}

// reconcile takes NEG-OPEN, NEG-MSG and NEG-CLOSE. The answers are the library's: what is measured must not answer itself.
func (c *client) reconcile(label, sub string, rest []json.RawMessage) error {
	var payload string
	switch {
	case label == "NEG-CLOSE":
		delete(c.talks, sub)
		return nil
	case label == "NEG-OPEN" && len(rest) == 2:
		var f nostr.Filter
		if err := json.Unmarshal(rest[0], &f); err != nil {
			return err
		}
		c.peer.sessions.Add(1)
		c.talks[sub] = negentropy.New(vectorOf(c.peer.store.answer([]nostr.Filter{f}, math.MaxInt)), frameBytes)
	case label != "NEG-MSG" || len(rest) != 1:
		return errMessage
	}
	if err := json.Unmarshal(rest[len(rest)-1], &payload); err != nil {
		return err
	}
	talk := c.talks[sub]
	if talk == nil {
		return c.say("NEG-ERR", sub, "closed: unknown subscription handle")
	}
	c.peer.rounds.Add(1)
	answer, err := talk.Reconcile(payload)
	if err != nil {
		return c.say("NEG-ERR", sub, "error: "+err.Error())
	}
	return c.say("NEG-MSG", sub, answer)
}

func (c *client) say(parts ...string) error {
	msg, err := json.Marshal(parts)
	if err != nil {
		return err
	}
	c.out.put(outgoing{msg: msg})
	return nil
}
