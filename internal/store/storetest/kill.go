package storetest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/sync"
)

// ChildEnv names the database of a child process: a test binary that finds it calls Child instead of its tests.
const ChildEnv = "TEST_NGIT_SYNC_STORE_CHILD"

// flushEvery is how many roots the child gives between two lines.
const flushEvery = 200

// Child writes to a database until it is killed: for each number an event, a root, and coverage that rests on them. After
// each flush it prints how far it is.
func Child(url string, out io.Writer) error {
	ctx := context.Background()
	s, err := store.Open(ctx, url, store.Options{})
	if err != nil {
		return err
	}
	a, err := numbered(-1)
	if err != nil {
		return err
	}
	repo := sync.SaveRepo{Ref: a.Coordinate(), Announcement: a}
	s.Apply([]sync.Row{repo, sync.SaveRelay{URL: alpha}}, 0)
	for i := 0; ; i++ {
		e, err := numbered(i)
		if err != nil {
			return err
		}
		seq := s.Record(relay.Entry{Event: e, Disposition: relay.Stored, Source: alpha, At: t0})
		if i%2 == 1 {
			seq, _ = s.Park(relay.Waiting{Event: e, Cause: relay.CauseRetry, Since: t0}) // there is room
		}
		s.Apply([]sync.Row{
			sync.SaveRoot{Repo: repo.Ref, N: uint32(i), ID: e.ID},
			sync.SaveCoverage{Relay: alpha, Repo: repo.Ref, Roots: sync.Coverage{Count: uint32(i) + 1}},
		}, seq)
		if (i+1)%flushEvery == 0 {
			if err := s.Flush(ctx); err != nil {
				return err
			}
			fmt.Fprintln(out, i+1)
		}
	}
}

func numbered(i int) (*event.Event, error) {
	n := nostr.Event{Kind: event.KindIssue, CreatedAt: nostr.Timestamp(1_700_000_000), Content: strconv.Itoa(i), PubKey: key(0).String()}
	if i < 0 {
		n.Kind, n.Tags = event.KindAnnouncement, nostr.Tags{{"d", "killed"}}
	}
	n.ID = n.GetID()
	n.Sig = fmt.Sprintf("%0128x", 1)
	return event.Wrap(n)
}

// testKill kills a process while it writes, a few times, and looks whether what it left is a prefix of what it gave.
func testKill(t *testing.T, db Database) {
	exe, err := os.Executable()
	require.NoError(t, err)
	for round := range 3 {
		cmd := exec.CommandContext(t.Context(), exe)
		cmd.Env = append(cmd.Environ(), ChildEnv+"="+db.URL)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		flushed := 0
		lines := bufio.NewScanner(out)
		for flushed < (2+round)*flushEvery && lines.Scan() {
			flushed, err = strconv.Atoi(lines.Text())
			require.NoError(t, err)
		}
		require.NoError(t, cmd.Process.Kill())
		for lines.Scan() {
			flushed, err = strconv.Atoi(lines.Text())
			require.NoError(t, err)
		}
		require.Error(t, cmd.Wait())
		require.GreaterOrEqual(t, flushed, (2+round)*flushEvery)

		s := open(t, db, store.Options{})
		state := load(t, s)
		require.Len(t, state.Repos, 1)
		require.Len(t, state.Coverage, 1)
		count := int(state.Coverage[0].Roots.Count)
		require.GreaterOrEqual(t, count, flushed, "what was flushed is there")
		require.GreaterOrEqual(t, len(state.Roots), count)
		have := known(t, s)
		require.GreaterOrEqual(t, len(have), len(state.Roots), "no confirm without what it rests on")
		wait := waiting(t, s)
		for i := range count {
			e, err := numbered(i)
			require.NoError(t, err)
			require.Equal(t, e.ID, state.Roots[i].ID)
			if i%2 == 0 {
				require.Equal(t, relay.Stored, have[e.ID])
			} else {
				require.Equal(t, relay.Parked, have[e.ID])
				require.Equal(t, e.ID, wait[e.ID].ID)
			}
		}
		shut(t, s)
	}
}
