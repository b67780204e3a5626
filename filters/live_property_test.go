package filters_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ngit-sync/ngit-sync/filters"
)

// liveModel says what a LiveSet should hold and what a relay that was sent its changes has open.
type liveModel struct {
	set    *filters.LiveSet
	budget filters.Budget
	names  names
	held   [3]map[filters.Value]bool // by family
	relay  map[string]filters.Sub
}

// tagOf is the first tag name that a family is asked for by.
var tagOf = [3]string{filters.Repos: "a", filters.States: "d", filters.Roots: "e"}

// Whatever is added, removed and laid out anew: limits hold, every value is asked once or given back because it fits nowhere.
func TestLiveSetProperty(t *testing.T) {
	budgets := rapid.Custom(func(t *rapid.T) filters.Budget {
		return filters.Budget{
			Subs: rapid.IntRange(0, 6).Draw(t, "subs"), FiltersPerREQ: rapid.IntRange(1, 14).Draw(t, "perREQ"),
			MessageBytes: rapid.IntRange(300, 6000).Draw(t, "bytes"), Values: rapid.IntRange(1, 12).Draw(t, "values"),
			StateKinds: rapid.Bool().Draw(t, "kinds"), Wide: rapid.Bool().Draw(t, "wide"),
		}
	})
	families := rapid.SampledFrom([]filters.Family{filters.Repos, filters.States, filters.Roots})
	values := rapid.SliceOfN(rapid.Uint32Range(0, 59), 1, 30)
	var n names
	for i := range 60 {
		text := strconv.Itoa(i) + strings.Repeat([]string{"x", `"`}[i/6%2], []int{0, 1, 3, 40, 180, 300}[i%6])
		n.repos, n.states = append(n.repos, repo(1, text)), append(n.states, text)
	}

	rapid.Check(t, func(t *rapid.T) {
		m := &liveModel{names: n, relay: map[string]filters.Sub{}}
		m.set = filters.NewLiveSet(n.text)
		m.forget()
		draw := func(t *rapid.T) (out []filters.Value) {
			for _, v := range values.Draw(t, "values") {
				out = append(out, filters.Value(v))
			}
			return out
		}
		t.Repeat(map[string]func(*rapid.T){
			"lay": func(t *rapid.T) {
				m.budget = budgets.Draw(t, "budget")
				m.lay(t, draw(t), draw(t), draw(t))
			},
			"add": func(t *rapid.T) {
				f, list := families.Draw(t, "family"), draw(t)
				m.add(t, f, list, m.set.Add(f, list...))
			},
			"remove": func(t *rapid.T) {
				f, list := families.Draw(t, "family"), draw(t)
				m.set.Remove(f, list...)
				for _, v := range list {
					delete(m.held[f], v)
				}
			},
			"changes": func(t *rapid.T) { m.sync(t) },
			"":        m.check,
		})
		m.sync(t)
		all := subs(m.set.All())
		require.Equal(t, all, m.relay)
	})
}

func (m *liveModel) forget() {
	for f := range m.held {
		m.held[f] = map[filters.Value]bool{}
	}
}

// lay takes what the set says that it holds for what fits, if the counts agree with it.
func (m *liveModel) lay(t *rapid.T, repos, states, roots []filters.Value) {
	m.forget()
	want := [3][]filters.Value{repos, states, roots}
	for f := range want {
		slices.Sort(want[f])
		want[f] = slices.Compact(want[f])
	}
	lists := filters.Wants{Repos: slices.Values(want[0]), States: slices.Values(want[1]), Roots: slices.Values(want[2])}
	left := m.set.Lay(m.budget, lists)
	for f, list := range want {
		for _, v := range list {
			if m.set.Has(filters.Family(f), v) {
				m.held[f][v] = true
			}
		}
		require.Equal(t, len(list)-len(m.held[f]), left[f])
	}
	m.sync(t)
	again := filters.NewLiveSet(m.names.text)
	again.Lay(m.budget, lists)
	require.Equal(t, subs(again.All()), m.relay, "the same input gives the same layout")
	for f, list := range want {
		m.checkLeft(t, filters.Family(f), list)
	}
	m.set.Lay(m.budget, lists) // the changes of this one are left to the next step
}

func (m *liveModel) add(t *rapid.T, f filters.Family, list, left []filters.Value) {
	for _, v := range list {
		if !slices.Contains(left, v) {
			m.held[f][v] = true
		}
	}
	m.sync(t)
	m.checkLeft(t, f, left)
}

// checkLeft looks for room that a value could have used which was given back.
func (m *liveModel) checkLeft(t *rapid.T, f filters.Family, left []filters.Value) {
	for _, v := range left {
		if !m.held[f][v] {
			require.False(t, m.fits(f, m.names.text(f, v)), "%d was given back, but there is room", v)
		}
	}
}

func (m *liveModel) sync(t *rapid.T) {
	open, closed := m.set.Changes()
	for _, id := range closed {
		require.Contains(t, m.relay, id)
		delete(m.relay, id)
	}
	for id, sub := range subs(open) {
		require.NotContains(t, closed, id)
		m.relay[id] = sub
	}
	again, gone := m.set.Changes()
	require.Empty(t, again)
	require.Empty(t, gone)
}

func (m *liveModel) check(t *rapid.T) {
	m.sync(t)
	require.LessOrEqual(t, len(m.relay), m.budget.Subs)
	covered := map[string]map[string]int{"a": {}, "d": {}, "e": {}}
	total := 0
	for id, sub := range m.relay {
		total += len(sub.All())
		require.NotEmpty(t, sub.All())
		require.LessOrEqual(t, len(sub.All()), m.budget.FiltersPerREQ)
		require.LessOrEqual(t, filters.MessageBytes(id, sub.All()), filters.Usable(m.budget.MessageBytes))
		checkWide(t, sub, m.budget)
		if slices.ContainsFunc(sub.Filters, hasLongValue) {
			require.False(t, slices.ContainsFunc(sub.All(), func(f nostr.Filter) bool { return !hasLongValue(f) }))
		}
		for _, f := range sub.Filters {
			checkLive(t, f, m.budget)
			for name, counts := range covered {
				if f.Kinds == nil || !slices.Equal(f.Kinds, []int{1}) {
					for _, v := range f.Tags[name] {
						counts[v]++
					}
				}
			}
		}
	}
	require.Equal(t, total, m.set.Filters())
	require.LessOrEqual(t, m.set.Packed(), m.set.Filters())
	for f, held := range m.held {
		require.Len(t, covered[tagOf[f]], len(held))
		require.Equal(t, slices.Sorted(maps.Keys(held)), in(m.set, filters.Family(f)))
		require.Equal(t, len(held), m.set.Len(filters.Family(f)))
		for v := range held {
			require.Equal(t, 1, covered[tagOf[f]][m.names.text(filters.Family(f), v)])
		}
	}
}

func checkWide(t *rapid.T, sub filters.Sub, b filters.Budget) {
	require.True(t, b.Wide || len(sub.Wide) == 0)
	for _, f := range sub.Wide {
		require.True(t, slices.ContainsFunc(filters.Wide(), func(w nostr.Filter) bool { return nostr.FilterEqual(filters.AsLive(w), f) }))
	}
}

func checkLive(t *rapid.T, f nostr.Filter, b filters.Budget) {
	require.True(t, f.LimitZero)
	require.Zero(t, f.Limit)
	require.Nil(t, f.Since)
	require.Nil(t, f.Until)
	if b.StateKinds {
		require.NotEmpty(t, f.Kinds)
	}
	for name, values := range f.Tags {
		require.NotEmpty(t, values)
		if strings.Contains("aAqeEd", name) {
			require.LessOrEqual(t, len(values), b.Values)
		}
	}
	if hasLongValue(f) {
		require.Len(t, slices.Concat(slices.Collect(maps.Values(f.Tags))...), 1)
	}
}

func hasLongValue(f nostr.Filter) bool {
	return slices.ContainsFunc(slices.Concat(slices.Collect(maps.Values(f.Tags))...), func(v string) bool { return len(v) > 255 })
}

// fits reports whether a chunk or a subscription could take a short value, where a chunk is never spread.
func (m *liveModel) fits(f filters.Family, value string) bool {
	width := [3]int{3, 1, 3}[f]
	if m.budget.StateKinds && f != filters.States {
		width *= 2
	}
	if len(value) > 255 || m.budget.FiltersPerREQ < width {
		return false
	}
	one := len(`"`) + len(strconv.Quote(value))
	for n := range m.budget.Subs {
		sub := m.relay["l"+strconv.Itoa(n)]
		if slices.ContainsFunc(sub.Filters, hasLongValue) {
			continue
		}
		room := filters.Usable(m.budget.MessageBytes) - filters.MessageBytes("l"+strconv.Itoa(n), sub.All())
		for _, asked := range sub.Filters {
			if list := asked.Tags[tagOf[f]]; list != nil && len(list) < m.budget.Values && room >= width*one {
				return true
			}
		}
		if len(sub.All())+width <= m.budget.FiltersPerREQ && room >= width*(one+len(`{"limit":0,"#a":[]},`)+120) {
			return true
		}
	}
	return false
}
