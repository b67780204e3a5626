package main

import (
	"flag"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

var (
	kills    = flag.Int("kills", unlessRaced(6, 3), "how often TestBinaryIsKilledAtAnyMoment kills the daemon")
	killSeed = flag.Uint64("kill-seed", 1, "of its moments; 0: by the clock")
)

// However often the daemon is killed, and whenever: what is confirmed on disk is answered for by the own relay or waits on disk, and in the
// end nothing is missing and nothing is there twice.
func TestBinaryIsKilledAtAnyMoment(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { killedAtAnyMoment(t, inSQLite(t.TempDir())) })
	t.Run("postgres", func(t *testing.T) { killedAtAnyMoment(t, inPostgres(t)) })
}

func killedAtAnyMoment(t *testing.T, database string) {
	seed := *killSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-kill-seed=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	alice := newAuthor(1)
	spam := alice.issue("tool", time.Now().Add(-time.Hour), "spam")
	own := relaytest.Start(t, relaytest.Options{Verify: true, Policy: func(e *nostr.Event) *relaytest.Verdict {
		if e.ID == spam.ID {
			return &relaytest.Verdict{Reason: "blocked: spam"}
		}
		return nil
	}})
	one := relaytest.Start(t, relaytest.Options{PageCap: 30, Delay: 3 * time.Millisecond})
	two := relaytest.Start(t, relaytest.Options{PageCap: 100, Delay: 3 * time.Millisecond, Negentropy: relaytest.Negentropy{Speak: true}})
	ownURL, oneURL, twoURL := serve(t, own, "127.0.0.1:0"), serve(t, one, "127.0.0.1:0"), serve(t, two, "127.0.0.1:0")
	all := thread(alice, "tool", time.Now().Add(-240*time.Hour), 500, oneURL, twoURL)
	nowhere := alice.issue("other", time.Now(), "nowhere")
	orphan := newAuthor(7).comment(nowhere, time.Now().Add(-time.Hour))
	orphan.Tags = append(orphan.Tags, nostr.Tag{"q", alice.coordinate("elsewhere")})
	require.NoError(t, orphan.Sign(newAuthor(7).secret))
	foreign := newAuthor(8).sign(event.KindAnnouncement, time.Now(), nostr.Tag{"d", "foreign"})
	at := map[relayurl.URL][]nostr.Event{
		relayurl.URL(oneURL): append(all[:len(all)*2/3:len(all)*2/3], spam, orphan, foreign),
		relayurl.URL(twoURL): append(all[len(all)/3:len(all):len(all)], all[0], all[1], foreign),
	}
	one.Publish(at[relayurl.URL(oneURL)]...)
	two.Publish(at[relayurl.URL(twoURL)]...)
	args := []string{"--own-relay", ownURL, "--domain", testDomain, "--bootstrap", oneURL, "--bootstrap", twoURL}

	for range *kills {
		p := startBinary(t, database, args...)
		enough := min(len(all), held(own, all)+rng.IntN(2*len(all) / *kills))
		eventually(t, "some have arrived", func() bool { return held(own, all) >= enough })
		<-time.After(time.Duration(rng.Int64N(int64(200 * time.Millisecond)))) // any moment is what is tested
		require.Error(t, p.end(syscall.SIGKILL))
		t.Logf("%d of %d have arrived", held(own, all), len(all))
		confirmedIsAnswered(t, database, own, at)
	}
	p := startBinary(t, database, args...)
	eventually(t, "all has arrived", func() bool { return held(own, all) == len(all) })
	require.NoError(t, p.end(syscall.SIGTERM))
	rows := confirmedIsAnswered(t, database, own, at)
	require.Equal(t, rows, confirmedIsAnswered(t, database, own, at))
	require.False(t, own.Has(spam.ID))
	require.False(t, own.Has(foreign.ID))
	require.Len(t, own.Events(), len(all), "each once, and nothing else")
}

// confirmedIsAnswered holds what is confirmed in a database against what the relays hold, and gives how many ids it knows.
func confirmedIsAnswered(t *testing.T, database string, own *relaytest.Relay, at map[relayurl.URL][]nostr.Event) int {
	t.Helper()
	s, err := store.Open(t.Context(), database, store.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close(t.Context())) }()
	state, err := s.Load(t.Context())
	require.NoError(t, err)
	known, waiting := map[event.ID]relay.Disposition{}, map[event.ID]bool{}
	require.NoError(t, s.LoadKnown(t.Context(), func(id event.ID, d relay.Disposition) {
		require.NotContains(t, known, id, "twice")
		known[id] = d
	}))
	require.NoError(t, s.LoadWaiting(t.Context(), func(w relay.Waiting) { waiting[w.ID] = true }))
	answered := func(what string, e nostr.Event) {
		t.Helper()
		id := mustID(t, e.ID)
		switch d := known[id]; {
		case own.Has(e.ID):
		case d == relay.Stored, d == relay.Unknown, d == relay.Parked && !waiting[id]:
			require.Fail(t, what+" is confirmed, and an event of it is lost", "%s, kind %d, %s", e.ID, e.Kind, d)
		}
	}
	coords, roots := map[event.Ref][]event.Ref{}, map[event.Ref][]event.ID{}
	for _, r := range state.Repos {
		coords[r.Ref] = r.Coordinates
	}
	for _, r := range state.Roots {
		roots[r.Repo] = append(roots[r.Repo], r.ID)
	}
	for _, c := range state.Coverage {
		for _, e := range at[c.Relay] {
			if c.States && e.Kind == event.KindState && e.Tags.GetD() == c.Repo.D {
				answered("a state", e)
			}
			for n, ref := range coords[c.Repo] {
				if c.Coords.Has(uint32(n)) && tags(e, ref.String(), "a", "A", "q") {
					answered("a coordinate", e)
				}
			}
			for n, id := range roots[c.Repo] {
				if c.Roots.Has(uint32(n)) && tags(e, id.String(), "e", "E", "q") {
					answered("a root", e)
				}
			}
		}
	}
	for _, r := range state.Relays {
		for _, e := range at[r.URL] {
			if r.Announcements && e.Kind == event.KindAnnouncement {
				answered("layer 1", e)
			}
		}
	}
	return len(known)
}

// tags reports whether an event has a value under one of the names.
func tags(e nostr.Event, value string, names ...string) bool {
	for _, name := range names {
		for _, tag := range e.Tags {
			if len(tag) > 1 && tag[0] == name && tag[1] == value {
				return true
			}
		}
	}
	return false
}
