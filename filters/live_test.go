package filters_test

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

// assumed is what live may use of a relay that states nothing: a quarter of 8 subscriptions stays free.
var assumed = filters.Budget{Subs: 6, FiltersPerREQ: 10, MessageBytes: 60_000, Values: 100}

// names says what the numbers stand for: roots are numberedID, repos and states what the test lists.
type names struct {
	repos  []event.Ref
	states []string
}

func (n names) text(f filters.Family, v filters.Value) string {
	switch f {
	case filters.Repos:
		return n.repos[v].String()
	case filters.States:
		return n.states[v]
	case filters.Roots:
		return numberedID(int(v)).String()
	}
	panic("no such family")
}

var some = names{repos: []event.Ref{repo(1, "a"), repo(2, "b")}, states: []string{"a"}}

// laid gives a set under a budget.
func laid(b filters.Budget, n names) *filters.LiveSet {
	s := filters.NewLiveSet(n.text)
	s.Lay(b, filters.Wants{})
	return s
}

// span lists the values from one number to before another.
func span(from, to int) (out []filters.Value) {
	for i := from; i < to; i++ {
		out = append(out, filters.Value(i))
	}
	return out
}

func in(s *filters.LiveSet, f filters.Family) []filters.Value { return slices.Sorted(s.Values(f)) }

func TestLiveSetAsksNothingBeforeItHasRoom(t *testing.T) {
	s := filters.NewLiveSet(some.text)
	require.Empty(t, s.All())
	require.Equal(t, span(0, 2), s.Add(filters.Roots, 0, 1))
	require.Equal(t, [3]int{2, 1, 5}, s.Lay(filters.Budget{}, wants(2, 1, 5)))
	require.Empty(t, s.All())
	require.Zero(t, s.Len(filters.Roots))
}

// wants are the first of each family.
func wants(repos, states, roots int) filters.Wants {
	first := func(n int) iter.Seq[filters.Value] { return slices.Values(span(0, n)) }
	return filters.Wants{Repos: first(repos), States: first(states), Roots: first(roots)}
}

func TestLiveSetStartsWithAnnouncementsAndDeletions(t *testing.T) {
	s := laid(assumed, some)
	open, closed := s.Changes()
	require.Empty(t, closed)
	require.Len(t, open, 1)
	require.Equal(t, "l0", open[0].ID)
	require.Len(t, open[0].Filters, 2)
	require.Empty(t, open[0].Wide)
	require.JSONEq(t, `{"kinds":[30617],"limit":0}`, open[0].Filters[0].String())
	require.Equal(t, []int{5}, open[0].Filters[1].Kinds)
	require.Equal(t, 2, s.Filters())

	open, closed = s.Changes()
	require.Empty(t, open)
	require.Empty(t, closed)
}

func TestLiveSetAddingOneRootSendsOneREQ(t *testing.T) {
	s := laid(assumed, some)
	require.Zero(t, s.Lay(assumed, wants(1, 1, 450)))
	s.Changes()
	require.Empty(t, s.Add(filters.Roots, 450))
	open, closed := s.Changes()
	require.Empty(t, closed)
	require.Len(t, open, 1)
	require.Contains(t, open[0].Filters[len(open[0].Filters)-3].Tags["e"], numberedID(450).String())
	require.Empty(t, s.Add(filters.Roots, span(0, 451)...))
	open, _ = s.Changes()
	require.Empty(t, open, "what is there already is not added again")
}

func TestLiveSetOfAChunk(t *testing.T) {
	s := laid(assumed, some)
	s.Lay(assumed, wants(1, 1, 1))
	open, _ := s.Changes()
	require.Len(t, open, 1)
	coord, root := repo(1, "a").String(), numberedID(0).String()
	for i, want := range []string{
		fmt.Sprintf(`{"#a":[%q],"limit":0}`, coord), fmt.Sprintf(`{"#A":[%q],"limit":0}`, coord), fmt.Sprintf(`{"#q":[%q],"limit":0}`, coord),
		`{"kinds":[30618],"#d":["a"],"limit":0}`,
		fmt.Sprintf(`{"#e":[%q],"limit":0}`, root), fmt.Sprintf(`{"#E":[%q],"limit":0}`, root), fmt.Sprintf(`{"#q":[%q],"limit":0}`, root),
	} {
		require.JSONEq(t, want, open[0].Filters[2+i].String())
	}
}

func TestLiveSetFamiliesHaveTheirOwnNumbers(t *testing.T) {
	s := laid(assumed, some)
	s.Add(filters.Roots, 0, 1, 2)
	s.Add(filters.States, 0)
	require.True(t, s.Has(filters.States, 0))
	require.False(t, s.Has(filters.Repos, 0))
	require.False(t, s.Has(filters.States, 1))
	s.Remove(filters.Repos, 0)
	s.Remove(filters.Roots, 1)
	require.Equal(t, [3]int{0, 1, 2}, [3]int{s.Len(filters.Repos), s.Len(filters.States), s.Len(filters.Roots)})
	require.Equal(t, []filters.Value{0, 2}, in(s, filters.Roots))
	for range s.Values(filters.Roots) {
		break // a reader may stop
	}
}

func TestLiveSetRemovalLeavesOthersWhereTheyAre(t *testing.T) {
	s := laid(assumed, some)
	s.Add(filters.Roots, span(0, 500)...)
	before := subs(s.All())
	s.Remove(filters.Roots, 250)
	s.Remove(filters.Roots, 900)
	open, closed := s.Changes()
	require.Empty(t, closed)
	require.Len(t, open, 1)
	for id, sub := range subs(s.All()) {
		if id != open[0].ID {
			require.Equal(t, before[id], sub)
		}
	}
	s.Add(filters.Roots, 900)
	again, _ := s.Changes()
	require.Len(t, again, 1)
	require.Equal(t, open[0].ID, again[0].ID, "freed space is used again")
}

func TestLiveSetClosesWhatIsEmpty(t *testing.T) {
	s := laid(assumed, some)
	s.Add(filters.Roots, span(0, 300)...)
	open, _ := s.Changes()
	require.Len(t, open, 2)
	s.Remove(filters.Roots, span(200, 300)...)
	open, closed := s.Changes()
	require.Empty(t, open)
	require.Equal(t, []string{"l1"}, closed)
	s.Add(filters.Roots, span(200, 300)...)
	open, closed = s.Changes()
	require.Empty(t, closed)
	require.Equal(t, "l1", open[0].ID)
}

func TestLiveSetGivesBackWhatDoesNotFit(t *testing.T) {
	s := laid(filters.Budget{Subs: 1, FiltersPerREQ: 8, MessageBytes: 60_000, Values: 10}, some)
	require.Equal(t, span(20, 25), s.Add(filters.Roots, span(0, 25)...))
	require.Equal(t, span(0, 2), s.Add(filters.Repos, 0, 1))
	require.Empty(t, s.Add(filters.Roots, 7), "it is there already")
	require.Equal(t, span(0, 20), in(s, filters.Roots), "what was given back is not held")

	s.Remove(filters.Roots, 21)
	require.Equal(t, span(21, 22), s.Add(filters.Roots, 21), "it took no room")
	s.Remove(filters.Roots, 3)
	require.Equal(t, span(22, 23), s.Add(filters.Roots, 21, 22), "there was one place")
	s.Remove(filters.Roots, append(span(0, 10), 21)...)
	require.Empty(t, s.Add(filters.Repos, 0, 1), "an empty chunk makes room for another family")
	require.Len(t, s.All()[0].Filters, 2+3+3)
}

func TestLiveSetReposGoBeforeStatesBeforeRoots(t *testing.T) {
	b := filters.Budget{Subs: 1, FiltersPerREQ: 6, MessageBytes: 60_000, Values: 2}
	s := laid(b, some)
	require.Equal(t, [3]int{0, 0, 5}, s.Lay(b, wants(1, 1, 5)))
	b.FiltersPerREQ = 5
	require.Equal(t, [3]int{0, 1, 5}, s.Lay(b, wants(1, 1, 5)))
	b.FiltersPerREQ = 9
	require.Equal(t, [3]int{0, 0, 3}, s.Lay(b, wants(1, 1, 5)))
	require.Equal(t, span(0, 2), in(s, filters.Roots), "in the order given")
	require.Zero(t, s.Lay(b, filters.Wants{}))
	require.Equal(t, 2, s.Filters(), "what was wanted before is forgotten")
}

func TestLiveSetBytesDecide(t *testing.T) {
	s := laid(filters.Budget{Subs: 3, FiltersPerREQ: 100, MessageBytes: 10_000, Values: 100}, some)
	require.Empty(t, s.Add(filters.Roots, span(0, 100)...))
	for _, sub := range s.All() {
		require.LessOrEqual(t, filters.MessageBytes(sub.ID, sub.Filters), 9000)
		require.Greater(t, filters.MessageBytes(sub.ID, sub.Filters), 9000-3*67)
		if sub.ID == "l1" {
			break
		}
	}
}

func TestLiveSetLongCoordinatesStayInOneSubscription(t *testing.T) {
	n := names{repos: []event.Ref{repo(9, "a"), repo(8, "b")}}
	for i := range byte(4) {
		n.repos = append(n.repos, repo(i, strings.Repeat("d", 200)))
	}
	s := laid(assumed, n)
	require.Equal(t, span(5, 6), s.Add(filters.Repos, 2, 0, 3, 4, 5, 1))
	all := subs(s.All())
	require.Len(t, all, 2)
	require.Len(t, all["l1"].Filters, 9)
	for _, f := range all["l1"].Filters {
		for _, values := range f.Tags {
			require.Len(t, values, 1)
		}
	}
	s.Remove(filters.Repos, 3)
	require.Empty(t, s.Add(filters.Repos, 5))
	s.Remove(filters.Repos, 2, 4, 5)
	_, closed := s.Changes()
	require.Equal(t, []string{"l1"}, closed)
}

// Chunks that are full by bytes but not by number must not hide one that has room.
func TestLiveSetFindsTheLastRoom(t *testing.T) {
	var n names
	state := func(size int) filters.Value {
		n.states = append(n.states, fmt.Sprintf("%02d", len(n.states))+strings.Repeat("x", size-2))
		return filters.Value(len(n.states) - 1)
	}
	list := []filters.Value{state(170)}
	for range 10 {
		list = append(list, state(215))
	}
	list = append(list, state(40))
	last := state(40)
	s := laid(filters.Budget{Subs: 12, FiltersPerREQ: 2, MessageBytes: 300}, n)
	require.Empty(t, s.Add(filters.States, list...))
	require.Len(t, s.Add(filters.States, last), 1)
}

func TestLiveSetTakesTheLongOnesSubscriptionBack(t *testing.T) {
	s := laid(filters.Budget{Subs: 2, FiltersPerREQ: 5, MessageBytes: 60_000}, names{repos: []event.Ref{repo(1, strings.Repeat("d", 200))}})
	require.Empty(t, s.Add(filters.Repos, 0))
	require.Len(t, s.Add(filters.Roots, span(0, 101)...), 1)
	s.Remove(filters.Repos, 0)
	require.Empty(t, s.Add(filters.Roots, span(0, 101)...))
}

func TestLiveSetLaysOutAnew(t *testing.T) {
	s := laid(assumed, some)
	require.Zero(t, s.Lay(assumed, wants(0, 0, 1000)))
	before := s.All()
	require.Len(t, before, 4)
	small := assumed
	small.Subs = 2
	require.Equal(t, [3]int{0, 0, 533}, s.Lay(small, wants(0, 0, 1000)), "of 67 bytes, three times, there is room for 467")
	open, closed := s.Changes()
	require.Len(t, open, 2)
	require.Equal(t, []string{"l2", "l3"}, closed)
	require.Contains(t, open[0].Filters[2].Tags["e"], numberedID(0).String(), "those given first are in front")

	s.Lay(filters.Budget{Subs: 1, FiltersPerREQ: 10, MessageBytes: 60_000}, wants(0, 0, 1000))
	s.Lay(assumed, wants(0, 0, 1000))
	open, closed = s.Changes()
	require.Len(t, open, 4)
	require.Empty(t, closed, "an id is never both opened and closed")
	require.Equal(t, before, open)
}

func TestLiveSetClosesEverythingWhenItHasNoRoomAnyMore(t *testing.T) {
	s := laid(assumed, some)
	s.Add(filters.Roots, span(0, 300)...)
	s.Changes()
	s.Lay(filters.Budget{}, filters.Wants{})
	open, closed := s.Changes()
	require.Empty(t, open)
	require.Equal(t, []string{"l0", "l1"}, closed)
}

func TestLiveSetConsolidates(t *testing.T) {
	s := laid(assumed, some)
	s.Add(filters.Roots, span(0, 600)...)
	for i := range 6 {
		s.Remove(filters.Roots, span(i*100+10, i*100+100)...)
	}
	require.Equal(t, 2+18, s.Filters())
	require.Equal(t, 2+3, s.Packed())
	s.Lay(assumed, filters.Wants{Roots: slices.Values(in(s, filters.Roots))})
	require.Equal(t, 60, s.Len(filters.Roots))
	require.Equal(t, s.Packed(), s.Filters())
}

func TestLiveSetWideFiltersStandApart(t *testing.T) {
	b := assumed
	b.Wide = true
	s := laid(b, some)
	s.Lay(b, wants(0, 0, 1))
	all := s.All()
	require.Len(t, all, 1)
	require.Len(t, all[0].Filters, 2+3)
	require.Len(t, all[0].Wide, len(filters.Wide()))
	for i, f := range filters.Wide() {
		require.Equal(t, filters.AsLive(f), all[0].Wide[i])
	}
	require.Equal(t, 2+3+3, s.Filters())

	b.FiltersPerREQ = 2
	s.Lay(b, filters.Wants{})
	all = s.All()
	require.Len(t, all, 3)
	require.Empty(t, all[1].Filters, "a subscription may be wide alone")
	require.Len(t, all[1].Wide, 2)
	require.Len(t, all[2].Wide, 1)
}

func TestLiveSetDialects(t *testing.T) {
	b := assumed
	b.StateKinds, b.Wide = true, true
	s := laid(b, some)
	s.Lay(b, wants(0, 0, 1))
	all := s.All()
	require.Len(t, all, 2)
	require.Len(t, all[0].All(), 2+3)
	require.Len(t, all[1].Filters, 6)
	require.Equal(t, []int{1}, all[1].Filters[1].Kinds)
	for _, sub := range all {
		for _, f := range sub.All() {
			require.NotEmpty(t, f.Kinds)
		}
	}
}

// A REQ may hold fewer filters than a chunk has: then the chunk is spread.
func TestLiveSetAtARelayWithOneFilterPerREQ(t *testing.T) {
	s := laid(filters.Budget{Subs: 5, FiltersPerREQ: 1, MessageBytes: 60_000}, some)
	require.Equal(t, span(100, 101), s.Add(filters.Roots, span(0, 101)...))
	all := s.All()
	require.Len(t, all, 5)
	require.Len(t, all[2].Filters[0].Tags["e"], 100)
	require.Equal(t, all[2].Filters[0].Tags["e"], all[3].Filters[0].Tags["E"])
}

// A relay may state any number of subscriptions; what is of no use is not kept.
func TestLiveSetUnderAHugeBudget(t *testing.T) {
	b := filters.Budget{Subs: 1 << 40, FiltersPerREQ: 1 << 40, MessageBytes: 60_000, Values: 1 << 40}
	s := laid(b, some)
	require.Zero(t, s.Lay(b, wants(2, 1, 3000)))
	require.Less(t, s.Filters(), 100)
	b.MessageBytes = 100
	require.Equal(t, [3]int{2, 0, 3000}, s.Lay(b, wants(2, 1, 3000)))
}

func subs(list []filters.Sub) map[string]filters.Sub {
	out := map[string]filters.Sub{}
	for _, sub := range list {
		out[sub.ID] = filters.Sub{ID: sub.ID, Filters: slices.Clone(sub.Filters), Wide: slices.Clone(sub.Wide)}
	}
	return out
}
