package filters_test

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/nbd-wtf/go-nostr"
	"pgregory.net/rapid"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

// simRelay answers REQs from a slice of events. Its zero value is an honest relay without caps.
type simRelay struct {
	events []*event.Event // newest first, on a tie the lower id

	clamp           int  // events per filter
	total           int  // events per REQ
	sequential      bool // total is used up filter by filter instead of newest first
	twice           bool // an event is sent once per filter that it matches
	shuffle         *rand.Rand
	exclusive       bool // until is exclusive
	ignoreUntil     bool
	ignoreSince     bool
	ignoreLimit     bool
	hints           bool // NIP-67
	ignoreParts     bool // answers for a single second with nothing
	emptyOnce       int  // this many pages, after the first, are empty
	shrink          bool // each page is at most half of the one before, down to two
	spoil           func([]*event.Event, filters.Hint) ([]*event.Event, filters.Hint)
	asked           []string // REQs in short form
	pages, lastSent int
}

func newSimRelay(events []*event.Event) *simRelay {
	r := &simRelay{events: slices.Clone(events)}
	slices.SortFunc(r.events, func(a, b *event.Event) int {
		return cmp.Or(cmp.Compare(b.CreatedAt, a.CreatedAt), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return r
}

// answer gives the events of a REQ and the hint of its EOSE.
func (r *simRelay) answer(req []nostr.Filter) ([]*event.Event, filters.Hint) {
	r.pages++
	r.asked = append(r.asked, short(req))
	if r.emptyOnce > 0 && r.pages > 1 {
		r.emptyOnce--
		return nil, filters.HintNone
	}
	var lists [][]*event.Event
	matching := 0
	for _, f := range req {
		all := r.matching(f)
		matching += len(all)
		lists = append(lists, all[:min(len(all), r.perFilter(f))])
	}
	out := r.merge(lists)
	sent := 0
	for _, list := range lists {
		for _, e := range list {
			if slices.Contains(out, e) {
				sent++
			}
		}
	}
	if r.shuffle != nil {
		r.shuffle.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	}
	r.lastSent = len(out)
	switch {
	case !r.hints:
		return out, filters.HintNone
	case sent == matching:
		return out, filters.HintFinish
	}
	return out, filters.HintMore
}

func (r *simRelay) perFilter(f nostr.Filter) int {
	n := f.Limit
	if r.ignoreLimit {
		n = len(r.events)
	}
	if r.clamp > 0 {
		n = min(n, r.clamp)
	}
	if r.shrink && r.pages > 1 {
		n = min(n, max(2, r.lastSent/2))
	}
	return n
}

func (r *simRelay) matching(f nostr.Filter) []*event.Event {
	if r.ignoreParts && f.Since != nil && f.Until != nil && *f.Until-*f.Since <= 1 {
		return nil
	}
	if r.ignoreUntil {
		f.Until = nil
	}
	if r.ignoreSince {
		f.Since = nil
	}
	if r.exclusive && f.Until != nil {
		until := *f.Until - 1
		f.Until = &until
	}
	var out []*event.Event
	for _, e := range r.events {
		if f.Matches(e.Event) {
			out = append(out, e)
		}
	}
	return out
}

// merge puts the answers of the filters together under the cap of the REQ.
func (r *simRelay) merge(lists [][]*event.Event) []*event.Event {
	out := slices.Concat(lists...)
	if !r.sequential {
		slices.SortStableFunc(out, func(a, b *event.Event) int { return cmp.Compare(b.CreatedAt, a.CreatedAt) })
	}
	if !r.twice {
		seen := map[event.ID]bool{}
		out = slices.DeleteFunc(out, func(e *event.Event) bool {
			was := seen[e.ID]
			seen[e.ID] = true
			return was
		})
	}
	if r.total > 0 {
		out = out[:min(len(out), r.total)]
	}
	return out
}

// run pages until the pager has ended and gives what was wanted. check is called after each EOSE.
func (r *simRelay) run(p *filters.Pager, maxPages int, check func(wanted map[event.ID]int)) (wanted map[event.ID]int, pages int) {
	wanted = map[event.ID]int{}
	for pages < maxPages {
		req, ok := p.Next()
		if !ok {
			return wanted, pages
		}
		pages++
		events, hint := r.answer(req)
		if r.spoil != nil {
			events, hint = r.spoil(events, hint)
		}
		cut := false
		for _, e := range events {
			verdict := p.Event(e)
			if verdict == filters.Wanted {
				wanted[e.ID]++
			}
			if cut = verdict == filters.TooMany; cut {
				break
			}
		}
		if cut {
			p.Fail()
		} else {
			p.EOSE(hint)
		}
		if check != nil {
			check(wanted)
		}
	}
	return wanted, pages
}

// genHistory draws events with many ties, and filters that overlap.
func genHistory(t *rapid.T) ([]*event.Event, []nostr.Filter) {
	values := []string{"x", "y", "z"}
	span := rapid.Int64Range(1, 40).Draw(t, "span")
	kinds := rapid.SampledFrom([][]int{{1111}, {1111, 1621}, {1, 7, 1111, 1621, 1630, 29}}).Draw(t, "kinds")
	tag := rapid.Custom(func(t *rapid.T) nostr.Tag {
		return nostr.Tag{rapid.SampledFrom([]string{"e", "E", "q"}).Draw(t, "name"), rapid.SampledFrom(values).Draw(t, "value")}
	})
	n := rapid.IntRange(0, 70).Draw(t, "n")
	events := make([]*event.Event, n)
	for i := range events {
		e := makeEvent(0, 1, rapid.SampledFrom(kinds).Draw(t, "kind"), rapid.Int64Range(max(0, 5-span), 5+span).Draw(t, "at"),
			nostr.Tags(rapid.SliceOfN(tag, 1, 3).Draw(t, "tags")))
		e.ID = numberedID(i)
		e.Event.ID = e.ID.String()
		events[i] = e
	}
	filter := rapid.Custom(func(t *rapid.T) nostr.Filter {
		f := nostr.Filter{}
		if rapid.IntRange(0, 9).Draw(t, "tag?") > 0 {
			name := rapid.SampledFrom([]string{"e", "E", "q"}).Draw(t, "name")
			f.Tags = nostr.TagMap{name: rapid.SliceOfNDistinct(rapid.SampledFrom(append(values, "w")), 1, 4, rapid.ID).Draw(t, "values")}
		}
		if rapid.IntRange(0, 3).Draw(t, "kinds?") == 0 {
			f.Kinds = rapid.SliceOfNDistinct(rapid.SampledFrom(kinds), 1, len(kinds), rapid.ID).Draw(t, "kinds")
		}
		if rapid.IntRange(0, 3).Draw(t, "since?") == 0 {
			since := nostr.Timestamp(rapid.Int64Range(0, 10).Draw(t, "since"))
			f.Since = &since
		}
		if rapid.IntRange(0, 3).Draw(t, "until?") == 0 {
			until := nostr.Timestamp(rapid.Int64Range(0, 40).Draw(t, "until"))
			f.Until = &until
		}
		return f
	})
	return events, rapid.SliceOfN(filter, 1, 5).Draw(t, "filters")
}

func tagFilter(name string, values ...string) nostr.Filter {
	return nostr.Filter{Tags: nostr.TagMap{name: values}}
}

// history makes events from "<created_at> <name>:<value>..." with ids in the order given and kind 1111, or "<created_at>/<kind>".
func history(lines ...string) []*event.Event {
	var out []*event.Event
	for i, line := range lines {
		words := strings.Fields(line)
		at, kind := int64(0), 1111
		if n, _ := fmt.Sscanf(words[0], "%d/%d", &at, &kind); n == 0 {
			panic(line)
		}
		var tags nostr.Tags
		for _, w := range words[1:] {
			name, value, _ := strings.Cut(w, ":")
			tags = append(tags, nostr.Tag{name, value})
		}
		e := makeEvent(0, 1, kind, at, tags)
		e.ID = numberedID(i)
		e.Event.ID = e.ID.String()
		out = append(out, e)
	}
	return out
}

// repeat gives n lines, each with its own second from newest on.
func repeat(n, newest int, rest string) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("%d %s", newest-i, rest))
	}
	return out
}

// short writes a REQ as "e:x,y <=100 + q:z", with since as >= and kinds as k1,2.
func short(req []nostr.Filter) string {
	var out []string
	for _, f := range req {
		var words []string
		for _, name := range slices.Sorted(maps.Keys(f.Tags)) {
			words = append(words, name+":"+strings.Join(f.Tags[name], ","))
		}
		if f.Kinds != nil {
			words = append(words, "k"+strings.Trim(strings.ReplaceAll(fmt.Sprint(f.Kinds), " ", ","), "[]"))
		}
		if f.Since != nil {
			words = append(words, fmt.Sprintf(">=%d", *f.Since))
		}
		if f.Until != nil {
			words = append(words, fmt.Sprintf("<=%d", *f.Until))
		}
		out = append(out, strings.Join(words, " "))
	}
	return strings.Join(out, " + ")
}
