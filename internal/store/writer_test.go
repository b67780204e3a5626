package store

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/sync"
)

func fakeIDs(from, to int) []event.ID {
	var out []event.ID
	for n := from; n < to; n++ {
		out = append(out, fakeID(n))
	}
	return out
}

// pass lets the bubble's time go by and everyone do what is due.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestRowsWaitForAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBackend{}
		s := newFakeStore(t, b, Options{})
		pass(time.Second)

		start := time.Now()
		give(s, 0, 3)
		pass(49 * time.Millisecond)
		require.Empty(t, b.groups)
		pass(time.Millisecond)
		require.Equal(t, [][]event.ID{fakeIDs(0, 3)}, b.groups)
		require.Equal(t, 50*time.Millisecond, b.at[0].Sub(start))
		require.NoError(t, s.Close(t.Context()))
	})
}

func TestAFullGroupDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBackend{}
		s := newFakeStore(t, b, Options{})
		pass(time.Second)
		start := time.Now()
		give(s, 0, 1200)
		pass(groupWait)
		require.Equal(t, [][]event.ID{fakeIDs(0, 500), fakeIDs(500, 1000), fakeIDs(1000, 1200)}, b.groups)
		require.Zero(t, b.at[0].Sub(start))
		require.Zero(t, b.at[1].Sub(start))
		require.Equal(t, groupWait, b.at[2].Sub(start), "the rest waits for more")
		require.NoError(t, s.Close(t.Context()))
	})
}

func TestFlushDoesNotWaitForAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBackend{busy: 7 * time.Millisecond}
		s := newFakeStore(t, b, Options{})
		give(s, 0, 3)
		start := time.Now()
		require.NoError(t, s.Flush(t.Context()))
		require.Equal(t, 7*time.Millisecond, time.Since(start))
		require.Equal(t, fakeIDs(0, 3), b.rows())
		require.NoError(t, s.Flush(t.Context()), "nothing to do")

		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		give(s, 3, 4)
		require.ErrorIs(t, s.Flush(ctx), context.DeadlineExceeded)
		require.NoError(t, s.Close(t.Context()))
		require.Equal(t, fakeIDs(0, 4), b.rows())
	})
}

func TestADatabaseThatIsDownIsTriedAgainAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBackend{}
		s := newFakeStore(t, b, Options{})
		give(s, 0, 1)
		require.NoError(t, s.Flush(t.Context()))
		require.True(t, s.Up())

		b.fail(errDown)
		start := time.Now()
		give(s, 1, 700)
		pass(3 * time.Minute)
		require.False(t, s.Up())
		require.False(t, s.Full())
		want := []time.Duration{100, 300, 700, 1500, 3100, 6300, 12700, 25500, 40500, 55500}
		for i, w := range want {
			require.Equal(t, w*time.Millisecond, b.tries()[i].Sub(start), "try %d", i)
		}

		b.fail(nil)
		pass(maxBackoff)
		require.True(t, s.Up())
		require.Equal(t, fakeIDs(0, 700), b.rows(), "in order")
		require.Equal(t, 1, b.attached)

		b.fail(errDown)
		give(s, 700, 701)
		pass(groupWait + minBackoff)
		require.Len(t, b.tries(), 1, "the pause begins small again")
		b.fail(nil)
		require.NoError(t, s.Close(t.Context()))
	})
}

func TestAnIdleDatabaseIsLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBackend{}
		s := newFakeStore(t, b, Options{})
		pass(idlePing / 2)
		b.fail(errDown)
		pass(idlePing / 4)
		require.True(t, s.Up())
		pass(idlePing / 2)
		require.False(t, s.Up())
		b.fail(nil)
		pass(maxBackoff)
		require.True(t, s.Up())
		require.NoError(t, s.Close(t.Context()))
	})
}

func TestADatabaseOfAnotherDaemonIsLeftAlone(t *testing.T) {
	for _, reason := range []error{ErrLocked, &SchemaError{Have: 2, Know: 1}, &SchemaError{Have: 0, Know: 1}} {
		synctest.Test(t, func(t *testing.T) {
			b := &fakeBackend{}
			s := newFakeStore(t, b, Options{})
			give(s, 0, 1)
			require.NoError(t, s.Flush(t.Context()))
			b.fail(reason)
			give(s, 1, 3)
			require.ErrorIs(t, s.Flush(t.Context()), reason)
			<-s.Done()
			require.ErrorIs(t, s.Err(), reason)
			require.False(t, s.Up())
			require.Equal(t, fakeIDs(0, 1), b.rows())

			lost := give(s, 3, 4)
			require.Equal(t, lost, <-s.Lost())
			require.ErrorIs(t, s.Flush(t.Context()), reason)
			require.ErrorIs(t, s.Close(t.Context()), reason)
		})
	}
}

func TestCloseBeforeAnythingIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBackend{}
		b.fail(errDown)
		s := newFakeStore(t, b, Options{})
		give(s, 0, 3)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := s.Close(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "3 rows not written")
		require.NoError(t, s.Err())
	})
}

func TestOnlyTheRowToBlameIsDropped(t *testing.T) {
	for _, poison := range []int{0, 1, 249, 250, 499} {
		synctest.Test(t, func(t *testing.T) {
			b := &fakeBackend{poison: fakeID(poison)}
			s := newFakeStore(t, b, Options{})
			give(s, 0, 500)
			require.NoError(t, s.Flush(t.Context()))
			require.Equal(t, append(fakeIDs(0, poison), fakeIDs(poison+1, 500)...), b.rows(), "the others in order")
			require.Equal(t, relay.Seq(poison+1), <-s.Lost())
			require.True(t, s.Up())
			require.NoError(t, s.Close(t.Context()))
		})
	}
}

func TestRowsReplaceEarlierOnesWhileTheyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBackend{}
		b.fail(errDown)
		s := newFakeStore(t, b, Options{QueueRows: 100})
		repo := sync.SaveRepo{}
		for i := range 5000 {
			s.Apply([]sync.Row{
				sync.SaveRelay{URL: "wss://a", Cursor: time.Unix(int64(i), 0)},
				sync.SaveCoverage{Relay: "wss://a", Repo: repo.Ref, Roots: sync.Coverage{Count: uint32(i)}},
				sync.SaveBatch{Relay: "wss://a", Number: uint64(i % 10), Spec: []byte{byte(i)}},
			}, relay.Seq(0))
			if i%100 == 0 {
				pass(time.Second) // some of them are with the writer
			}
		}
		require.Less(t, s.queue.length(), 100)
		select {
		case seq := <-s.Lost():
			require.Fail(t, "lost", seq)
		default:
		}
		b.fail(nil)
		pass(maxBackoff)
		require.Zero(t, s.queue.length())
		last := map[string]stmt{}
		for _, st := range b.written() {
			last[st.sql[:20]] = st
		}
		require.Equal(t, time.Unix(4999, 0).UnixMilli(), last["INSERT INTO relays ("].args[2])
		require.NoError(t, s.Close(t.Context()))
	})
}

// A confirm keeps what an earlier version of it rested on: it is whole, and says it again.
func TestAReplacedConfirmKeepsWhatItRestsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBackend{}
		b.fail(errDown)
		s := newFakeStore(t, b, Options{QueueRows: 10})
		pass(time.Second)
		lost := give(s, 0, 20)
		cover := sync.SaveCoverage{Relay: "wss://a", Roots: sync.Coverage{Count: 1}}
		s.Apply([]sync.Row{cover}, lost)
		s.Apply([]sync.Row{cover}, 0)
		b.fail(nil)
		require.NoError(t, s.Flush(t.Context()))
		for _, st := range b.written() {
			require.NotContains(t, st.sql, "repo_relays")
		}
		require.NoError(t, s.Close(t.Context()))
	})
}

// Rows of the engine that were dropped leave holes: nothing is confirmed until everything was given anew.
func TestDroppedRowsOfTheEngineStopAllConfirms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBackend{}
		b.fail(errDown)
		s := newFakeStore(t, b, Options{QueueRows: 10})
		pass(time.Second)
		for n := range uint32(30) {
			s.Apply([]sync.Row{sync.SaveRoot{N: n}}, 0)
		}
		lost := <-s.Lost()
		s.Apply([]sync.Row{sync.ClearCoverage{Relay: "wss://b"}}, 0)
		require.Equal(t, 21, s.queue.length(), "what clears is taken still")
		b.fail(nil)
		pass(maxBackoff)
		b.fail(nil)
		cover := sync.SaveCoverage{Relay: "wss://a", Roots: sync.Coverage{Count: 1}}
		s.Apply([]sync.Row{cover}, 0)
		require.NoError(t, s.Flush(t.Context()))
		require.Empty(t, b.written())
		s.Recover(lost)
		s.Apply([]sync.Row{cover}, 0)
		require.NoError(t, s.Flush(t.Context()))
		require.NotEmpty(t, b.written())
		require.NoError(t, s.Close(t.Context()))
	})
}
