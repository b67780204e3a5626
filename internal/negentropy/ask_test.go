package negentropy

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What an answer was cut before is asked again, and no more than that: not what was answered, nor what was skipped.
func TestACutAnswerIsAskedForAgain(t *testing.T) {
	items := row(24, 1) // asked about in four parts of six seconds
	begin := uint64(items[0].at)
	high := bound{key: keyOf(begin+11, []byte{0xff, 0xff}), size: 2} // above all our items of the second part
	set := setOf(items)
	for _, c := range []struct {
		name         string
		answer, next func(w *writer)
		haves        int
	}{
		{
			name: "behind a list",
			answer: func(w *writer) {
				w.skipTo(timed(begin + 6))
				w.list(&high, nil)
				w.fingerprint(&infinite, fingerprint{})
			},
			haves: 6,
			next: func(w *writer) {
				w.skipTo(&high)
				w.list(timed(begin+12), nil) // none of ours: not a matter for a fingerprint
				w.fingerprint(timed(begin+18), set.fingerprint(12, 18))
				w.fingerprint(&infinite, set.fingerprint(18, 24))
			},
		},
		{
			name: "within a part",
			answer: func(w *writer) {
				w.skipTo(timed(begin + 9))
				w.fingerprint(&infinite, fingerprint{})
			},
			next: func(w *writer) {
				w.skipTo(timed(begin + 9))
				w.fingerprint(timed(begin+12), set.fingerprint(9, 12))
				w.fingerprint(timed(begin+18), set.fingerprint(12, 18))
				w.fingerprint(&infinite, set.fingerprint(18, 24))
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := New(set, DefaultLimits())
			i.Start()
			msg, done, err := i.Next(message(c.answer))
			require.NoError(t, err)
			require.False(t, done)
			require.Equal(t, c.haves, i.Stats().Haves)
			require.Equal(t, message(c.next), msg)
		})
	}
}

func TestDivide(t *testing.T) {
	for _, c := range []struct{ rounds, items, want int }{
		{0, 0, 0}, {0, 6, 1}, {0, 7, 2}, {0, 97, 16}, {0, 1_000_000, 16},
		{1, 6, 1}, {1, 7, 2}, {1, 244, 41}, {1, 384, 64}, {1, 512, 64}, {1, 513, 16}, {1, 1_000_000, 16},
	} {
		i := New(nil, Limits{})
		i.stats.Rounds = c.rounds
		require.Equal(t, c.want, i.divide(c.items), "%d items after %d rounds", c.items, c.rounds)
	}
}

// Whoever cuts its answers is asked for less at a time, whoever does not is asked for more.
func TestThePaceIsThePeers(t *testing.T) {
	i := New(setOf(row(10_000, 1)), Limits{Frame: 60_000})
	i.Start()
	require.Equal(t, 16*60_000, i.budget)
	i.pace(1000, true)
	require.Equal(t, 8*60_000, i.budget)
	i.pace(500_000, true)
	require.Equal(t, 500_000, i.budget, "it gives that much")
	i.pace(1000, false)
	require.Equal(t, 16*60_000, i.budget)

	i.work = nil
	for k := 100; k > 0; k-- {
		i.work = append(i.work, span{start: *timed(uint64(k)), end: *timed(uint64(k + 1)), list: true})
	}
	i.budget = 10 * answerList
	i.send()
	require.Len(t, i.asked, 10)
	require.Len(t, i.work, 90)
	require.Equal(t, timed(11), &i.work[89].start, "the lowest come first")
}

func TestTheUpperHalfOfTooMuchWorkIsOneSpan(t *testing.T) {
	at := func(k int) span {
		return span{start: *timed(uint64(k)), end: *timed(uint64(k + 1)), lo: k, hi: k + 1}
	}
	i := New(setOf(row(100, 1)), Limits{})
	i.maxWork = 5
	i.work = []span{at(9), at(7), at(5), at(3)}
	i.differs = []span{at(1), at(2)}
	i.queue()
	require.Equal(t, []span{{start: *timed(7), end: *timed(10), lo: 7, hi: 10, list: true}, at(5), at(3), at(2), at(1)}, i.work)
}

func TestStartBeginsAnew(t *testing.T) {
	i := New(setOf(row(1000, 1)), DefaultLimits())
	first := i.Start()
	answer, err := setOf(row(2000, 1)).Answer(first, 0)
	require.NoError(t, err)
	_, _, err = i.Next(answer)
	require.NoError(t, err)
	require.Equal(t, first, i.Start())
	require.Equal(t, Stats{Rounds: 1, Sent: len(first)}, i.Stats())
	require.Empty(t, i.Needed())
}
