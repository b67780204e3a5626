package filters_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

// assumed is what live may use of a relay that states nothing: a quarter of 8 subscriptions stays free.
var assumed = filters.Budget{Subs: 6, FiltersPerREQ: 10, MessageBytes: 60_000, Values: 100}

func TestLiveSetStartsWithAnnouncementsAndDeletions(t *testing.T) {
	s := filters.NewLiveSet(assumed)
	open, closed := s.Changes()
	require.Empty(t, closed)
	require.Len(t, open, 1)
	require.Equal(t, "l0", open[0].ID)
	require.Len(t, open[0].Filters, 2)
	require.JSONEq(t, `{"kinds":[30617],"limit":0}`, open[0].Filters[0].String())
	require.Equal(t, []int{5}, open[0].Filters[1].Kinds)
	require.Equal(t, 2, s.Filters())

	open, closed = s.Changes()
	require.Empty(t, open)
	require.Empty(t, closed)
}

func TestLiveSetAddingOneRootSendsOneREQ(t *testing.T) {
	s := filters.NewLiveSet(assumed)
	s.AddRoots(ids(0, 450))
	s.AddRepos([]event.Ref{repo(1, "a")})
	s.AddStates([]string{"a"})
	s.Changes()
	s.AddRoots(ids(450, 451))
	open, closed := s.Changes()
	require.Empty(t, closed)
	require.Len(t, open, 1)
	require.Contains(t, open[0].Filters[len(open[0].Filters)-3].Tags["e"], numberedID(450).String())
	s.AddRoots(ids(0, 451))
	open, _ = s.Changes()
	require.Empty(t, open, "what is there already is not added again")
}

func TestLiveSetOfAChunk(t *testing.T) {
	s := filters.NewLiveSet(assumed)
	s.AddRepos([]event.Ref{repo(1, "a")})
	s.AddStates([]string{"a"})
	s.AddRoots(ids(0, 1))
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

func TestLiveSetRemovalLeavesOthersWhereTheyAre(t *testing.T) {
	s := filters.NewLiveSet(assumed)
	s.AddRoots(ids(0, 500))
	before := subs(s.All())
	s.RemoveRoots(ids(250, 251))
	s.RemoveRoots(ids(900, 901))
	open, closed := s.Changes()
	require.Empty(t, closed)
	require.Len(t, open, 1)
	for id, sub := range subs(s.All()) {
		if id != open[0].ID {
			require.Equal(t, before[id], sub)
		}
	}
	s.AddRoots(ids(900, 901))
	again, _ := s.Changes()
	require.Len(t, again, 1)
	require.Equal(t, open[0].ID, again[0].ID, "freed space is used again")
}

func TestLiveSetClosesWhatIsEmpty(t *testing.T) {
	s := filters.NewLiveSet(assumed)
	s.AddRoots(ids(0, 300))
	open, _ := s.Changes()
	require.Len(t, open, 2)
	s.RemoveRoots(ids(200, 300))
	open, closed := s.Changes()
	require.Empty(t, open)
	require.Equal(t, []string{"l1"}, closed)
	s.AddRoots(ids(200, 300))
	open, closed = s.Changes()
	require.Empty(t, closed)
	require.Equal(t, "l1", open[0].ID)
}

func TestLiveSetWhatDoesNotFitWaits(t *testing.T) {
	s := filters.NewLiveSet(filters.Budget{Subs: 1, FiltersPerREQ: 8, MessageBytes: 60_000, Values: 10})
	s.AddRoots(ids(0, 20))
	s.AddRoots(ids(20, 25))
	s.AddRepos([]event.Ref{repo(1, "a"), repo(2, "b")})
	require.Equal(t, [3]int{2, 5, 0}, uncovered(s))

	s.RemoveRoots(ids(3, 4))
	require.Equal(t, ids(21, 25), second(s.Waiting()), "the first that waits takes the place")
	s.RemoveRoots(ids(0, 10))
	require.Equal(t, [3]int{2, 0, 0}, uncovered(s), "a place in a chunk of roots is of no use to a repo")
	s.RemoveRoots(ids(10, 25))
	require.Zero(t, uncovered(s))
	require.Len(t, s.All()[0].Filters, 2+3)
}

func second(_ []event.Ref, roots []event.ID, _ []string) []event.ID { return roots }

func TestLiveSetReposGoBeforeRoots(t *testing.T) {
	small := filters.Budget{Subs: 1, FiltersPerREQ: 6, MessageBytes: 60_000, Values: 2}
	s := filters.NewLiveSet(small)
	s.AddRoots(ids(0, 5))
	s.AddRepos([]event.Ref{repo(1, "a")})
	s.AddStates([]string{"a"})
	require.Equal(t, [3]int{1, 3, 0}, uncovered(s))
	s.RemoveRoots(ids(0, 1))
	require.Equal(t, [3]int{1, 2, 0}, uncovered(s), "the chunk of roots is in use")
	s.RemoveRoots(ids(1, 3))
	require.Equal(t, [3]int{0, 2, 0}, uncovered(s))

	s = filters.NewLiveSet(small)
	s.AddRoots(ids(0, 2))
	s.AddRepos([]event.Ref{repo(1, "a")})
	s.Resize(small)
	require.Equal(t, [3]int{0, 2, 0}, uncovered(s))
}

func uncovered(s *filters.LiveSet) [3]int {
	repos, roots, states := s.Uncovered()
	return [3]int{repos, roots, states}
}

func TestLiveSetBytesDecide(t *testing.T) {
	s := filters.NewLiveSet(filters.Budget{Subs: 3, FiltersPerREQ: 100, MessageBytes: 10_000, Values: 100})
	s.AddRoots(ids(0, 100))
	for _, sub := range s.All() {
		require.LessOrEqual(t, filters.MessageBytes(sub.ID, sub.Filters), 9000)
		require.Greater(t, filters.MessageBytes(sub.ID, sub.Filters), 9000-3*67)
		if sub.ID == "l1" {
			break
		}
	}
	require.Zero(t, uncovered(s))
}

func TestLiveSetLongCoordinatesStayInOneSubscription(t *testing.T) {
	long := func(n byte) event.Ref { return repo(n, strings.Repeat("d", 200)) }
	s := filters.NewLiveSet(assumed)
	s.AddRepos([]event.Ref{long(1), repo(9, "a"), long(2), long(3), long(4), repo(8, "b")})
	all := subs(s.All())
	require.Len(t, all, 2)
	require.Len(t, all["l1"].Filters, 9)
	for _, f := range all["l1"].Filters {
		for _, values := range f.Tags {
			require.Len(t, values, 1)
		}
	}
	waiting, _, _ := s.Waiting()
	require.Equal(t, []event.Ref{long(4)}, waiting)
	s.RemoveRepos([]event.Ref{long(2)})
	require.Zero(t, uncovered(s))
	s.RemoveRepos([]event.Ref{long(1), long(3), long(4)})
	_, closed := s.Changes()
	require.Equal(t, []string{"l1"}, closed)
}

// Chunks that are full by bytes but not by number must not hide one that has room.
func TestLiveSetFindsTheLastRoom(t *testing.T) {
	s := filters.NewLiveSet(filters.Budget{Subs: 12, FiltersPerREQ: 2, MessageBytes: 300})
	state := func(i, n int) string { return fmt.Sprintf("%02d", i) + strings.Repeat("x", n-2) }
	s.AddStates([]string{state(0, 170)})
	for i := range 10 {
		s.AddStates([]string{state(1+i, 215)})
	}
	s.AddStates([]string{state(20, 40)})
	require.Zero(t, uncovered(s))
	s.AddStates([]string{state(21, 40)})
	require.Equal(t, 1, uncovered(s)[2])
}

func TestLiveSetTakesTheLongOnesSubscriptionBack(t *testing.T) {
	long := []event.Ref{repo(1, strings.Repeat("d", 200))}
	s := filters.NewLiveSet(filters.Budget{Subs: 2, FiltersPerREQ: 5, MessageBytes: 60_000})
	s.AddRepos(long)
	s.AddRoots(ids(0, 101))
	require.Equal(t, [3]int{0, 1, 0}, uncovered(s))
	s.RemoveRepos(long)
	require.Zero(t, uncovered(s))
}

func TestLiveSetResize(t *testing.T) {
	s := filters.NewLiveSet(assumed)
	s.AddRoots(ids(0, 1000))
	before := s.All()
	require.Len(t, before, 4)
	small := assumed
	small.Subs = 2
	s.Resize(small)
	open, closed := s.Changes()
	require.Len(t, open, 2)
	require.Equal(t, []string{"l2", "l3"}, closed)
	require.Positive(t, uncovered(s)[1])
	require.Contains(t, open[0].Filters[2].Tags["e"], numberedID(0).String(), "those added first are in front")

	s.Resize(filters.Budget{Subs: 1, FiltersPerREQ: 10, MessageBytes: 60_000})
	s.Resize(assumed)
	open, closed = s.Changes()
	require.Len(t, open, 4)
	require.Empty(t, closed, "an id is never both opened and closed")
	require.Equal(t, before, open)
}

func TestLiveSetConsolidates(t *testing.T) {
	s := filters.NewLiveSet(assumed)
	s.AddRoots(ids(0, 600))
	for i := range 6 {
		s.RemoveRoots(ids(i*100+10, i*100+100))
	}
	require.Equal(t, 2+18, s.Filters())
	require.Equal(t, 2+3, s.Packed())
	s.Resize(assumed)
	require.Equal(t, s.Packed(), s.Filters())
}

func TestLiveSetDialects(t *testing.T) {
	b := assumed
	b.StateKinds, b.Wide = true, true
	s := filters.NewLiveSet(b)
	s.AddRoots(ids(0, 1))
	all := s.All()
	require.Len(t, all, 2)
	require.Len(t, all[0].Filters, 2+3)
	require.Len(t, all[1].Filters, 6)
	require.Equal(t, []int{1}, all[1].Filters[1].Kinds)
	for _, sub := range all {
		for _, f := range sub.Filters {
			require.NotEmpty(t, f.Kinds)
		}
	}
}

// A REQ may hold fewer filters than a chunk has: then the chunk is spread.
func TestLiveSetAtARelayWithOneFilterPerREQ(t *testing.T) {
	s := filters.NewLiveSet(filters.Budget{Subs: 5, FiltersPerREQ: 1, MessageBytes: 60_000})
	s.AddRoots(ids(0, 101))
	all := s.All()
	require.Len(t, all, 5)
	require.Len(t, all[2].Filters[0].Tags["e"], 100)
	require.Equal(t, all[2].Filters[0].Tags["e"], all[3].Filters[0].Tags["E"])
	require.Equal(t, [3]int{0, 1, 0}, uncovered(s))
}

func TestLiveSetWithoutSubscriptions(t *testing.T) {
	s := filters.NewLiveSet(filters.Budget{})
	s.AddRoots(ids(0, 2))
	require.Empty(t, s.All())
	require.Equal(t, [3]int{0, 2, 0}, uncovered(s))
}

func ids(from, to int) []event.ID {
	var out []event.ID
	for i := from; i < to; i++ {
		out = append(out, numberedID(i))
	}
	return out
}

func subs(list []filters.Sub) map[string]filters.Sub {
	out := map[string]filters.Sub{}
	for _, sub := range list {
		out[sub.ID] = filters.Sub{ID: sub.ID, Filters: slices.Clone(sub.Filters)}
	}
	return out
}

// BenchmarkLiveSetAdd is one value added and removed again.
func BenchmarkLiveSetAdd(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		for name, budget := range map[string]filters.Budget{
			"fits":  {Subs: 2000, FiltersPerREQ: 10, MessageBytes: 60_000, Values: 100},
			"waits": {Subs: 2, FiltersPerREQ: 10, MessageBytes: 60_000, Values: 100},
		} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				s := filters.NewLiveSet(budget)
				s.AddRoots(ids(0, n))
				require.Equal(b, name == "waits", uncovered(s)[1] > 0)
				s.Changes()
				one := []event.ID{numberedID(n)}
				b.ReportAllocs()
				for b.Loop() {
					s.AddRoots(one)
					s.RemoveRoots(one)
				}
				open, _ := s.Changes()
				require.LessOrEqual(b, len(open), 1)
			})
		}
	}
}
