package relay

import (
	"container/heap"
	"slices"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
)

// ruling is what is to be done now with a verified event.
type ruling uint8

const (
	rulePublish  ruling = iota
	ruleWait            // for the outcome of another event, or until that one's turn in the pending table has come
	ruleHave            // the own relay has it already
	ruleObsolete        // a newer version is accepted
	ruleForeign         // outside our scope
	ruleOrphan          // what it references is not known
	ruleAsk             // the ledger, whose events a deletion names
	ruleBuried          // its author has deleted it
)

// rule judges an event by what is known now. It is asked when an event is verified, when what it waited for has its
// outcome, and once more at the door. The work that is to be waited for comes with ruleWait, a reason with the others.
//
// Waiting never goes in a circle: an announcement waits only for a newer version of itself; a state for a newer version of
// itself and for announcements; anything else for announcements, states and for events whose ids it contains, and ids
// are hashes.
func (c *core) rule(w *work) (ruling, upon, string) {
	if c.known[w.event.ID] == Stored {
		return ruleHave, upon{}, "on the own relay"
	}
	if c.o.Rules.DenyAuthors[w.event.PubKey] {
		return ruleForeign, upon{}, "scope.deny_authors names its author"
	}
	if reason := c.buried(w.event); reason != "" {
		return ruleBuried, upon{}, reason
	}
	r, on, reason := c.ruleByKind(w)
	if r == rulePublish {
		if claims := c.claims(w.event); len(claims) > 0 {
			return ruleBuried, upon{}, deletedBy(claims[0].id)
		}
	}
	return r, on, reason
}

func (c *core) ruleByKind(w *work) (ruling, upon, string) {
	switch w.event.Kind {
	case event.KindAnnouncement:
		return c.ruleAnnouncement(w)
	case event.KindState:
		return c.ruleState(w)
	case event.KindDeletion:
		return c.ruleDeletion(w)
	case event.KindVanish:
		return c.ruleVanish(w)
	}
	return c.ruleOther(w)
}

func (c *core) ruleAnnouncement(w *work) (ruling, upon, string) {
	a, err := w.parsed()
	if err != nil {
		return ruleForeign, upon{}, err.Error()
	}
	if c.scope.obsolete(w.event) {
		return ruleObsolete, upon{}, "a newer announcement is accepted"
	}
	if !c.scope.index.Accepts(a) {
		return ruleForeign, upon{}, "announcement does not list us, and no accepted one names its author"
	}
	if newer := c.newer(w); newer != nil {
		return ruleWait, upon{work: newer}, ""
	}
	return rulePublish, upon{}, ""
}

func (c *core) ruleState(w *work) (ruling, upon, string) {
	if c.scope.obsolete(w.event) {
		return ruleObsolete, upon{}, "a newer state is accepted"
	}
	d := w.event.D()
	if !c.scope.index.AcceptsState(w.event.PubKey, d) {
		// Any of them may be what makes its author a maintainer, through however many hands.
		if on, open := firstOf(c.repos[d], c.pool.repos[d]); open {
			return ruleWait, on, ""
		}
		return ruleForeign, upon{}, "state of a repository that is not ours, or not by a maintainer"
	}
	if on, open := c.open(event.RepoRef(w.event.PubKey, d)); open {
		return ruleWait, on, ""
	}
	if newer := c.newer(w); newer != nil {
		return ruleWait, upon{work: newer}, ""
	}
	return rulePublish, upon{}, ""
}

func (c *core) ruleOther(w *work) (ruling, upon, string) {
	if on, open := c.openParent(w); open {
		return ruleWait, on, ""
	}
	switch {
	case w.vouched, c.related(w.refs):
		return rulePublish, upon{}, ""
	case len(w.refs.IDs) == 0 && len(w.refs.Refs) == 0:
		return ruleForeign, upon{}, "references nothing"
	}
	return ruleOrphan, upon{}, "references nothing that we know"
}

// open gives an announcement or a state of that coordinate that has no outcome yet.
func (c *core) open(ref event.Ref) (upon, bool) { return firstOf(c.versions[ref], c.pool.refs[ref]) }

// related reports whether one of the references is an accepted repo or a known accepted event.
func (c *core) related(refs event.References) bool {
	return c.scope.covers(refs.Refs) || slices.ContainsFunc(refs.IDs, func(id event.ID) bool {
		return c.known[id] == Stored || c.known[id] == Held
	})
}

// newer is an open work that would take the place of w. It goes first: once it is accepted, w is not published at all.
func (c *core) newer(w *work) *work {
	for _, o := range c.versions[w.event.Coordinate()] {
		if o != w && o.stage != verifying && o.event.Supersedes(int64(w.event.CreatedAt), w.event.ID) {
			return o
		}
	}
	return nil
}

func (w *work) parsed() (*nip34.Announcement, error) {
	if w.announcement == nil && w.readErr == nil {
		w.announcement, w.readErr = nip34.ParseAnnouncement(w.event)
	}
	return w.announcement, w.readErr
}

// judge does what the ruling on a work says.
func (c *core) judge(w *work) {
	switch w.stage {
	case verifying, asking, ready, suspect, flying, done:
		return
	case shelved, waiting, delayed:
	}
	if r, on, reason := c.rule(w); !c.obey(w, r, on, reason) {
		c.enqueue(w)
	}
}

// obey carries a ruling out and reports whether that was all; false says that the event is to be published.
func (c *core) obey(w *work, r ruling, on upon, reason string) bool {
	switch r {
	case rulePublish:
		return false
	case ruleWait:
		c.standBehind(w, on)
	case ruleHave:
		c.conclude(w, Stored, reason)
	case ruleObsolete:
		c.conclude(w, Superseded, reason)
	case ruleBuried:
		c.entomb(w, reason)
	case ruleAsk:
		c.ask(w)
	case ruleForeign, ruleOrphan:
		switch {
		case w.wide && c.stray(w.refs):
			c.discard(w)
		case r == ruleForeign:
			c.conclude(w, Irrelevant, reason)
		default:
			c.orphan(w, reason)
		}
	}
	return true
}

// delay puts a work aside until w.due.
func (c *core) delay(w *work) {
	w.stage = delayed
	heap.Push(&c.delayed, w)
}

func (c *core) popDelayed() {
	w := heap.Pop(&c.delayed).(*work)
	if w.stage == delayed && !w.due.After(c.now) {
		c.again = append(c.again, w)
	}
}

// withdraw takes an announcement or a state off the indexes of order.
func (c *core) withdraw(w *work) {
	if !addressed(w.event.Kind) {
		return
	}
	ref := w.event.Coordinate()
	without(c.versions, ref, w)
	if ref.Kind == event.KindAnnouncement {
		without(c.repos, ref.D, w)
	}
}
