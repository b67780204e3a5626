package relay

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// However a relay mixes its faults, a batch ends in time, and a filter that is called done, without a gap, has brought all that it
// could: or the connection has said that stored events came after their end.
func TestHostilePagingOfAllSorts(t *testing.T) {
	for seed := uint64(1); seed <= hostileSeeds; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { hostileFrom(t, seed) })
		})
	}
}

// mixed is a relay that does what it does by a seed.
type mixed struct {
	*rand.Rand
	events []nostr.Event
	marks  []string // what it does, for a failure
}

func (m *mixed) one(in int, what string) bool {
	yes := m.IntN(in) == 0
	if yes {
		m.marks = append(m.marks, what)
	}
	return yes
}

// conversation is a store with ties, and filters that overlap in it.
func (m *mixed) conversation() []nostr.Filter {
	perSecond := 1 + m.IntN(4)
	at := int64(100_000)
	values := []string{"x", "y", "z"}[:1+m.IntN(3)]
	kindsOf := [][]int{{1111}, {1111, 1621}, {7, 1111, 1621}}[m.IntN(3)]
	var tags []string
	for range 20 + m.IntN(150) {
		if m.IntN(perSecond) == 0 {
			at -= 1 + int64(m.IntN(3))
		}
		e := nostr.Event{Kind: kindsOf[m.IntN(len(kindsOf))], CreatedAt: nostr.Timestamp(at), Content: fmt.Sprint(len(m.events))}
		for range 1 + m.IntN(3) {
			e.Tags = append(e.Tags, nostr.Tag{[]string{"e", "E", "q"}[m.IntN(3)], values[m.IntN(len(values))]})
		}
		relaytest.Sign(&e, 1)
		m.events = append(m.events, e)
	}
	for _, name := range []string{"e", "E", "q"}[:1+m.IntN(3)] {
		for _, v := range values {
			tags = append(tags, name+v)
		}
	}
	var fs []nostr.Filter
	for _, t := range tags {
		f := tagged(t[:1], t[1:])
		if m.IntN(4) == 0 {
			f.Kinds = kindsOf[:1]
		}
		if m.IntN(6) == 0 {
			since := nostr.Timestamp(100_000 - m.IntN(60))
			f.Since = &since
		}
		fs = append(fs, f)
	}
	return append(fs, kinds(30617))
}

// script draws the faults. Those of single answers come now and then.
func (m *mixed) script() relaytest.Options {
	o := relaytest.Options{Events: m.events, PageCap: 3 + m.IntN(60)}
	o.IgnoreLimit = m.one(8, "ignores limits")
	o.IgnoreUntil = m.one(12, "ignores until")
	o.BeforeUntil = m.one(6, "until exclusive")
	o.Concurrent = m.one(4, "works out of order")
	if m.one(3, "far away") {
		o.Concurrent, o.Delay = true, 100*time.Millisecond
	}
	o.DoubleEOSE = m.one(6, "EOSE twice")
	if m.one(3, "states its cap") {
		o.Document = fmt.Sprintf(`{"limitation":{"max_limit":%d,"max_filters":%d}}`, o.PageCap, 1+m.IntN(6))
	}
	var each []relaytest.Spoil
	may := func(in int, what string, s relaytest.Spoil) {
		if m.one(in, what) {
			each = append(each, s)
		}
	}
	now := func(s func(*relaytest.Answer)) relaytest.Spoil {
		often := 1 + m.IntN(6)
		return func(n int, _ []nostr.Filter, a relaytest.Answer) relaytest.Answer {
			if n%often == 0 {
				s(&a)
			}
			return a
		}
	}
	may(4, "cap for all filters", inAll(5+m.IntN(60), m.IntN(2) == 0))
	may(8, "oldest first", always(backwards))
	may(5, "foreign events", now(add(foreignNotes[:1+m.IntN(3)])))
	may(5, "repeats", now(func(a *relaytest.Answer) { a.Events = append(a.Events, a.Events[:len(a.Events)/2]...) }))
	may(4, "EOSE early", now(hurried(m.IntN(3))))
	may(5, "closes in the middle", now(closing(1+m.IntN(20), "error: enough")))
	may(5, "limits the pace", now(closing(m.IntN(8), "rate-limited: slow down")))
	may(6, "no EOSE", now(func(a *relaytest.Answer) { a.Open = true }))
	may(6, "foreign events behind EOSE", now(func(a *relaytest.Answer) { a.Late = append(slices.Clip(a.Late), foreignNotes...) }))
	o.Spoil = func(n int, fs []nostr.Filter, a relaytest.Answer) relaytest.Answer {
		for _, s := range each {
			a = s(n, fs, a)
		}
		return a
	}
	return o
}

func hostileFrom(t *testing.T, seed uint64) {
	m := &mixed{Rand: rand.New(rand.NewPCG(seed, 7))}
	fs := m.conversation()
	script := m.script()
	ours := m.negentropy(&script)
	defer func() {
		if t.Failed() {
			t.Logf("seed %d: %s", seed, strings.Join(m.marks, ", "))
		}
	}()
	g := newRig(t, script, func(o *ConnOptions) {
		if ours != nil {
			o.Negentropy, o.Known = true, ledgerOf(ours...)
		}
	})
	for id := BatchID(1); id <= 2; id++ {
		start := time.Now()
		g.ask(id, fs...)
		end := g.wait(id)
		require.Less(t, time.Since(start), 3*time.Hour)
		<-time.After(time.Minute) // what is late has come
		g.judge(fs, end, m.events, ours)
	}
	require.Zero(t, g.sink.held)
	require.Empty(t, g.relay.OpenSubs())
}

// judge looks for events that are missing.
func (g *rig) judge(fs []nostr.Filter, end Mark, events, ours []nostr.Event) {
	g.t.Helper()
	got := map[string]bool{}
	for _, d := range g.sink.delivered {
		got[d.Event.ID.String()] = true
	}
	for _, e := range ours {
		got[e.ID] = true
	}
	late := slices.ContainsFunc(reported[Evidence](g), func(v Evidence) bool { return v.Late })
	for i, f := range end.Filters {
		require.NotEqual(g.t, f.Done, f.Failed, "filter %d: %+v", i, f)
		if f.Failed {
			require.NotEmpty(g.t, end.Err)
		}
		if !f.Done || f.Gap || late {
			continue
		}
		for _, e := range events {
			if fs[i].Matches(&e) {
				require.True(g.t, got[e.ID], "filter %d is done and lacks %s at %d", i, e.Content, e.CreatedAt)
			}
		}
	}
}

// negentropy has some of the relays speak NIP-77, with faults, and gives what we know then.
func (m *mixed) negentropy(o *relaytest.Options) (ours []nostr.Event) {
	if !m.one(3, "NIP-77") {
		return nil
	}
	n := &o.Negentropy
	n.Speak = true
	if m.one(5, "answers another version") {
		n.Version = 0x60
	}
	if m.one(5, "refuses large sets") {
		n.Cap, n.StateCap = 5+m.IntN(40), m.IntN(2) == 0
	}
	if m.one(5, "lists the newest only") {
		n.Newest = 5 + m.IntN(40)
	}
	if m.one(6, "falls silent") {
		n.SilentFrom = 1 + m.IntN(2)
	}
	if m.one(5, "withholds") {
		n.Withhold = func(id string) bool { return id < "4" }
	}
	if m.one(6, "lists what it does not have") {
		n.Made = []string{strings.Repeat("ab", 32)}
	}
	if m.one(6, "gives few at a time") {
		n.IDsCap = 5 + m.IntN(20)
	}
	if m.one(8, "refuses") {
		n.Refuse = "blocked: no"
	}
	some := m.IntN(3)
	for _, e := range m.events {
		if m.IntN(3) <= some {
			ours = append(ours, e)
		}
	}
	return ours
}
