package relay

import (
	"slices"

	"github.com/nbd-wtf/go-nostr"
)

// manner is how live filters are put on the wire, as a relay has shown that it wants them.
type manner struct {
	one   bool // a limit of 0 is refused, or taken for none: it gets 1
	quiet bool // kind 1 is left out
}

// wire gives filters as the relay takes them.
func (m manner) wire(fs []nostr.Filter) []nostr.Filter {
	if m.quiet && slices.ContainsFunc(fs, isNotes) {
		fs = quiet(fs)
	}
	if !m.one {
		return fs
	}
	fs = slices.Clone(fs)
	for i := range fs {
		if fs[i].LimitZero {
			fs[i].LimitZero, fs[i].Limit = false, 1
		}
	}
	return fs
}

// quiet leaves out filters for kind 1 alone. Where there is nothing else it gives one that matches nothing.
func quiet(fs []nostr.Filter) []nostr.Filter {
	rest := slices.DeleteFunc(slices.Clone(fs), isNotes)
	if len(rest) == 0 {
		f, long := fs[0], nostr.Timestamp(1)
		f.Kinds, f.Until = []int{nostr.KindReaction}, &long
		rest = append(rest, f)
	}
	return rest
}

// notes reports a subscription that asks for kind 1 in filters of its own.
func (s *liveSub) notes() bool { return slices.ContainsFunc(s.filters, isNotes) }

// politer changes the manner of live REQs after one was refused, and reports whether there is anything to be changed. Many
// may have been sent before the first refusal of them is heard.
func (c *Conn) politer(s *liveSub, prefix string) bool {
	m := &c.live.manner
	switch {
	case s.state != liveSent || prefix == rateLimited:
		return false
	case refusesFilters(prefix):
		m.one = true
		return !s.manner.one
	case !s.manner.quiet:
		m.quiet = m.quiet || s.notes()
		return s.notes()
	}
	m.quiet = c.live.quietly // else it was not that
	return false
}
