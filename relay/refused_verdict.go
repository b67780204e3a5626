package relay

import (
	"maps"
	"slices"

	"github.com/nbd-wtf/go-nostr"
	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/filters"
)

// leastMessageBytes is what the search does not go below.
const leastMessageBytes = 4 << 10

// judge sets those suspects aside of whose shape something was taken since the trial began, and that are refused once more: it is
// their values. When no part is open the others are compared with a value that was taken before, and without one they are lost.
func (c *Conn) judge(t *trial) {
	r := &c.history.refused
	for _, g := range slices.Clone(t.suspects) {
		if !r.since(shapeOf(g.asked[0]), t.began) {
			continue
		}
		t.suspects = slices.DeleteFunc(t.suspects, func(s *group) bool { return s == g })
		t.spoiled = true // also where the relay is only moody
		if g.confirmed {
			c.setAside(g, t.reason)
			continue
		}
		g.confirmed, g.suspect = true, false
		t.open++
	}
	if t.open > 0 {
		return
	}
	for _, g := range t.suspects {
		if !g.controlled && c.control(t, g) {
			return
		}
	}
	for _, g := range t.suspects {
		c.lose(t, g)
	}
	c.endTrial(t)
}

// control asks for a value of the same shape that was taken before: the relay may have come to refuse everything.
func (c *Conn) control(t *trial, g *group) bool {
	g.controlled = true
	_, value, _ := valueOf(g.asked[0])
	f, ok := otherValue(c.history.refused.shapes[shapeOf(g.asked[0])].filter, value)
	if !ok {
		return false
	}
	since := nostr.Timestamp(c.seenAt.Unix()) // it is not about events
	f.Since, f.Until = &since, nil
	probe := c.newGroup(t.batch, []nostr.Filter{f}, nil)
	probe.trial = t
	t.open++
	t.batch.add(probe)
	return true
}

// otherValue narrows a filter to single values, and not to that one.
func otherValue(f nostr.Filter, value string) (nostr.Filter, bool) {
	for {
		a, b, ok := filters.Halve(f)
		if !ok {
			_, v, some := valueOf(f)
			return f, some && v != value
		}
		f = a
		if _, v, _ := valueOf(a); v == value {
			f = b
		}
	}
}

// valueOf is the value to blame in a filter of single values, the longest, and the name of its tag or list.
func valueOf(f nostr.Filter) (tag, value string, ok bool) {
	blame := func(name string, values []string) {
		if len(values) == 1 && (!ok || len(values[0]) > len(value)) {
			tag, value, ok = name, values[0], true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Tags)) {
		blame(name, f.Tags[name])
	}
	blame(listIDs, f.IDs)
	blame(listAuthors, f.Authors)
	return tag, value, ok
}

// setAside ends a group whose value the relay does not take.
func (c *Conn) setAside(g *group, reason string) {
	tag, value, _ := valueOf(g.asked[0])
	told := false
	if r := &c.history.refused; g.notes(r) {
		tag, value = listKinds, "1"
		told, r.guarded = r.guarded, true
	}
	if !told {
		c.learned(Evidence{Reason: reason, Tag: tag, Value: value})
	}
	g.aside, g.trial = true, nil
	c.finish(g)
}

// notes reports a group of kind 1 alone at a relay that takes other kinds and has taken no filter like these.
func (g *group) notes(r *refusals) bool {
	return len(g.index) > 0 && !slices.ContainsFunc(g.asked, func(f nostr.Filter) bool {
		return !isNotes(f) || !r.vain[shapeOf(f)]
	})
}

// lose fails a part that was refused.
func (c *Conn) lose(t *trial, g *group) {
	g.trial = nil
	t.spoiled = true
	if g.notes(&c.history.refused) {
		c.setAside(g, t.reason)
		return
	}
	g.pager.Fail()
	t.batch.fail("closed: " + t.reason)
	c.finish(g)
}

// giveUp fails what is left of a trial.
func (c *Conn) giveUp(t *trial, g *group) {
	r := &c.history.refused
	for _, f := range g.asked {
		if t.row >= maxVain {
			r.giveUp(shapeOf(f))
		}
	}
	lost := slices.Clone(t.suspects)
	for _, g := range t.batch.groups {
		if g.trial == t && !g.suspect {
			lost = append(lost, g)
		}
	}
	for _, g := range lost {
		c.lose(t, g)
	}
	c.endTrial(t)
}

// endTrial goes on with the batch. Where all parts were taken the REQ was too large.
func (c *Conn) endTrial(t *trial) {
	t.batch.trial = nil
	if t.spoiled || t.spoke {
		return
	}
	smaller := func(limit *int, n int) bool {
		if n >= *limit {
			return false
		}
		*limit = n
		c.history.limits++
		return true
	}
	switch {
	case t.byValues:
		if n := max(leastMessageBytes, t.bytes); smaller(&c.limits.MessageBytes, n) {
			c.learned(Evidence{Reason: t.reason, MessageBytes: n})
		}
	case t.byFilters:
		if n := max(1, t.filters); smaller(&c.limits.FiltersPerREQ, n) {
			c.learned(Evidence{Reason: t.reason, FiltersPerREQ: n})
		}
	}
}

// speak takes note that filters are taken with their kinds stated, and not without.
func (c *Conn) speak(t *trial, g *group) {
	t.spoke = true
	var notes []nostr.Filter
	var index []int
	ids := false
	for i, f := range g.plain {
		ids = ids || f.IDs != nil
		if both := stated(f); len(both) > 1 {
			notes, index = append(notes, both[1]), append(index, g.index[i])
		}
	}
	t.batch.add(c.newGroup(t.batch, notes, index))
	g.plain = nil
	if r := &c.history.refused; ids && !r.idsToo {
		r.idsToo = true
		c.history.limits++
	}
	if !c.limits.StateKinds {
		c.limits.StateKinds = true
		c.history.limits++
		c.learned(Evidence{Reason: t.reason, StateKinds: true})
	}
}

// refitPart states the kinds of a part of a trial.
func (c *Conn) refitPart(g *group) bool {
	if g.plain != nil || !slices.ContainsFunc(g.asked, c.states) {
		return false
	}
	var with, notes []nostr.Filter
	var index []int
	for i, f := range g.asked {
		if !c.states(f) {
			with = append(with, f)
			continue
		}
		both := stated(f)
		with, notes, index = append(with, both[0]), append(notes, both[1]), append(index, g.index[i])
	}
	t := g.trial
	c.part(t, g, c.newGroup(t.batch, with, g.index))
	t.batch.add(c.newGroup(t.batch, notes, index))
	return true
}

// learned reports what the relay has taught.
func (c *Conn) learned(e Evidence) {
	e.ID, e.At = c.o.ID, c.seenAt
	c.log.Debug("learned from a refusal", zap.Int("filters", e.FiltersPerREQ), zap.Int("bytes", e.MessageBytes),
		zap.Bool("kinds", e.StateKinds), zap.String("tag", e.Tag), zap.String("value", e.Value))
	c.report(e)
}
