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
	"github.com/ngit-sync/ngit-sync/internal/event"
)

// liveModel says what a LiveSet should hold and what a relay that was sent its changes has open.
type liveModel struct {
	set    *filters.LiveSet
	budget filters.Budget
	wanted map[string]map[string]bool // by first tag name
	relay  map[string]filters.Sub
}

// Whatever is added, removed and resized: limits hold, every value is asked once or waits because it fits nowhere.
func TestLiveSetProperty(t *testing.T) {
	budgets := rapid.Custom(func(t *rapid.T) filters.Budget {
		return filters.Budget{
			Subs: rapid.IntRange(0, 6).Draw(t, "subs"), FiltersPerREQ: rapid.IntRange(1, 14).Draw(t, "perREQ"),
			MessageBytes: rapid.IntRange(300, 6000).Draw(t, "bytes"), Values: rapid.IntRange(1, 12).Draw(t, "values"),
			StateKinds: rapid.Bool().Draw(t, "kinds"), Wide: rapid.Bool().Draw(t, "wide"),
		}
	})
	texts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
		n := rapid.SampledFrom([]int{0, 1, 3, 40, 180, 300}).Draw(t, "len")
		return strconv.Itoa(rapid.IntRange(0, 9).Draw(t, "n")) + strings.Repeat(rapid.SampledFrom([]string{"x", `"`}).Draw(t, "c"), n)
	}), 1, 12)
	numbers := rapid.SliceOfN(rapid.IntRange(0, 60), 1, 30)

	rapid.Check(t, func(t *rapid.T) {
		m := &liveModel{budget: budgets.Draw(t, "budget"), relay: map[string]filters.Sub{}}
		m.set = filters.NewLiveSet(m.budget)
		m.wanted = map[string]map[string]bool{"a": {}, "d": {}, "e": {}}
		roots := func(do func([]event.ID), want bool) func(*rapid.T) {
			return func(t *rapid.T) {
				var list []event.ID
				for _, n := range numbers.Draw(t, "roots") {
					list = append(list, numberedID(n))
					m.want("e", numberedID(n).String(), want)
				}
				do(list)
			}
		}
		states := func(do func([]string), want bool) func(*rapid.T) {
			return func(t *rapid.T) {
				list := texts.Draw(t, "states")
				for _, v := range list {
					m.want("d", v, want)
				}
				do(list)
			}
		}
		repos := func(do func([]event.Ref), want bool) func(*rapid.T) {
			return func(t *rapid.T) {
				var list []event.Ref
				for _, v := range texts.Draw(t, "repos") {
					list = append(list, repo(1, v))
					m.want("a", repo(1, v).String(), want)
				}
				do(list)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"add roots":     roots(func(v []event.ID) { m.set.AddRoots(v) }, true),
			"remove roots":  roots(func(v []event.ID) { m.set.RemoveRoots(v) }, false),
			"add states":    states(func(v []string) { m.set.AddStates(v) }, true),
			"remove states": states(func(v []string) { m.set.RemoveStates(v) }, false),
			"add repos":     repos(func(v []event.Ref) { m.set.AddRepos(v) }, true),
			"remove repos":  repos(func(v []event.Ref) { m.set.RemoveRepos(v) }, false),
			"resize": func(t *rapid.T) {
				m.budget = budgets.Draw(t, "budget")
				m.set.Resize(m.budget)
			},
			"changes": func(t *rapid.T) { m.sync(t) },
			"":        m.check,
		})
		m.sync(t)
		all := subs(m.set.All())
		require.Equal(t, all, m.relay)
	})
}

func (m *liveModel) want(family, value string, want bool) {
	delete(m.wanted[family], value)
	if want {
		m.wanted[family][value] = true
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
		total += len(sub.Filters)
		require.NotEmpty(t, sub.Filters)
		require.LessOrEqual(t, len(sub.Filters), m.budget.FiltersPerREQ)
		require.LessOrEqual(t, filters.MessageBytes(id, sub.Filters), filters.Usable(m.budget.MessageBytes))
		if slices.ContainsFunc(sub.Filters, hasLongValue) {
			require.False(t, slices.ContainsFunc(sub.Filters, func(f nostr.Filter) bool { return !hasLongValue(f) }))
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
	m.checkWaiting(t, covered)
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

// checkWaiting compares with the wanted values and looks for room that a waiting value could have used.
func (m *liveModel) checkWaiting(t *rapid.T, covered map[string]map[string]int) {
	repos, roots, states := m.set.Waiting()
	require.Equal(t, [3]int{len(repos), len(roots), len(states)}, uncovered(m.set))
	waiting := map[string][]string{"d": states}
	for _, ref := range repos {
		waiting["a"] = append(waiting["a"], ref.String())
	}
	for _, id := range roots {
		waiting["e"] = append(waiting["e"], id.String())
	}
	for family, wanted := range m.wanted {
		for v := range wanted {
			n := covered[family][v]
			if slices.Contains(waiting[family], v) {
				require.Zero(t, n)
				require.False(t, m.fits(family, v), "%s waits, but there is room", v)
			} else {
				require.Equal(t, 1, n, v)
			}
		}
		require.Len(t, wanted, len(covered[family])+len(waiting[family]))
	}
}

// fits reports whether a chunk or a subscription could take a short value, where a chunk is never spread.
func (m *liveModel) fits(family, value string) bool {
	width := map[string]int{"a": 3, "d": 1, "e": 3}[family]
	if m.budget.StateKinds && family != "d" {
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
		room := filters.Usable(m.budget.MessageBytes) - filters.MessageBytes("l"+strconv.Itoa(n), sub.Filters)
		for _, f := range sub.Filters {
			if list := f.Tags[family]; list != nil && len(list) < m.budget.Values && room >= width*one {
				return true
			}
		}
		if len(sub.Filters)+width <= m.budget.FiltersPerREQ && room >= width*(one+len(`{"limit":0,"#a":[]},`)+120) {
			return true
		}
	}
	return false
}
