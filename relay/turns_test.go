package relay

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// given is something to be queued: r1 to r9 are repos, a to z sources.
func given(source string, repoKey int, n uint64, live bool) *work {
	mode := Historic
	if live {
		mode = Live
	}
	e := issue(fmt.Sprintf("%s%d.%d", source, repoKey, n), 2, repoKey, "x")
	return &work{event: e, refs: e.References(), mode: mode, source: relayurl.URL(source), n: n, stage: ready}
}

func TestSourcesAndReposTakeTurns(t *testing.T) {
	var q turns[*work]
	n := uint64(0)
	add := func(source string, repoKey, count int, live bool) {
		for range count {
			n++
			q.push(given(source, repoKey, n, live))
		}
	}
	add("a", 1, 1000, false) // a flood in one repo
	add("a", 2, 2, false)
	add("a", 3, 1, false)
	add("b", 1, 2, false)
	add("b", 4, 1, true)
	var got []string
	for range 10 {
		w := q.pop()
		got = append(got, fmt.Sprintf("%s%s", w.source, w.event.Content[1:2]))
	}
	require.Equal(t, []string{"b4", "a1", "b1", "a2", "b1", "a3", "a1", "a2", "a1", "a1"}, got)
	require.Equal(t, 1006-10, q.size)
}

func TestTurnsKeepTheOrderWithinARepo(t *testing.T) {
	var q turns[*work]
	for _, n := range []uint64{5, 1, 3, 2, 4} {
		q.push(given("a", 1, n, false))
	}
	gone := given("a", 1, 0, false)
	gone.stage = done
	q.push(gone)
	require.Equal(t, uint64(5), q.popLast(7).n)
	for want := uint64(1); want <= 4; want++ {
		require.Equal(t, want, q.pop().n)
	}
	require.Nil(t, q.pop())
	require.Nil(t, q.popLast(7))
	require.Zero(t, q.size)
	require.Zero(t, q.upTo(behindClass))
	require.Equal(t, -1, q.best())
}

func TestTheLastOfALongLaneLeavesFirst(t *testing.T) {
	var q turns[*work]
	for n := range uint64(100) {
		q.push(given("a", 1, n, false))
	}
	for n := range uint64(10) {
		q.push(given("b", int(n%3)+1, 100+n, false))
	}
	for n := uint64(99); n >= 20; n-- {
		w := q.popLast(7)
		require.Equal(t, n, w.n)
		require.EqualValues(t, "a", w.source)
	}
}

func TestOneInEightGoesToWhatIsBehind(t *testing.T) {
	var q turns[*work]
	n := uint64(0)
	add := func(kind, count int, live bool) {
		for range count {
			n++
			w := given("a", 1, n, live)
			w.event = ev(fmt.Sprint(n), kind, 2, benchStart, toRepo(1, "x"))
			q.push(w)
		}
	}
	// next gives the classes of the next ones.
	next := func(count int) string {
		out := ""
		for range count {
			class, _, _ := q.pop().lane()
			out += fmt.Sprint(class)
		}
		return out
	}
	add(event.KindIssue, 100, true)
	require.Equal(t, "2222222222", next(10), "while there is none")
	add(event.KindComment, 3, false)
	add(event.KindIssue, 2, false)
	add(event.KindDeletion, 1, true)
	require.Equal(t, "2222222"+"4"+"2222222"+"7"+"2222222"+"7"+"2222222"+"8", next(32), "the best historic one")
	add(event.KindState, 20, true)
	require.Equal(t, "111111111111111"+"2"+"11111"+"22"+"8"+"2222222"+"8"+"22", next(34), "behind states that do not end")
}
