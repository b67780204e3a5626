package main

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

const (
	graspHold     = 30 * time.Minute         // of an announcement, counted anew by its state; of a state, of a pull request
	graspRemember = graspHold + 24*time.Hour // of an announcement without its git repository
	inPurgatory   = "purgatory: won't be served until git data arrives"
	noRepo        = "Event event must reference an accepted repository or accepted event"
	noAnnounced   = "invalid: no announcement exists for this repository"
	waitsForPush  = "purgatory: PR event stored, waiting for git push with commit 0123"
	known         = "duplicate: in purgatory"
)

// grasp makes the world's own relay judge events as ngit-grasp does, which holds an announcement, a state or a pull request until its git
// data is there. It fetches that itself, from the clone URLs of the announcement, by what a state says: without one it never does.
type grasp struct {
	w     *world
	fetch time.Duration // from a state to its git data; 0: they cannot be had
	quiet bool          // it serves what it held without a word to its subscribers

	mu      sync.Mutex
	events  map[string]nostr.Event // held, by id
	expires map[string]time.Time
}

func newGrasp(w *world, fetch time.Duration) *grasp {
	g := &grasp{w: w, fetch: fetch, events: map[string]nostr.Event{}, expires: map[string]time.Time{}}
	w.policy(g.judge)
	return g
}

func (g *grasp) judge(e *nostr.Event) *relaytest.Verdict {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, at := range g.expires {
		if !time.Now().Before(at) {
			delete(g.expires, id)
			delete(g.events, id)
		}
	}
	if _, held := g.events[e.ID]; held && e.Kind != event.KindAnnouncement {
		return &relaytest.Verdict{OK: true, Reason: known, Hide: true}
	}
	switch e.Kind {
	case event.KindAnnouncement:
		if g.served(event.KindAnnouncement, e.PubKey, e.Tags.GetD()) {
			return nil
		}
		return g.hold(*e, inPurgatory, graspRemember)
	case event.KindState:
		if g.served(event.KindAnnouncement, e.PubKey, e.Tags.GetD()) {
			return nil // its data came with the announcement's
		}
		if !g.waits(e.PubKey, e.Tags.GetD()) {
			return &relaytest.Verdict{Reason: noAnnounced}
		}
		if g.fetch > 0 {
			go g.promote(*e)
		}
		return g.hold(*e, inPurgatory, graspHold)
	}
	for _, t := range e.Tags {
		if len(t) < 2 {
			continue
		}
		switch name := strings.ToLower(t[0]); {
		case name == "e" && g.w.own.Has(t[1]):
			return nil
		case name == "a":
			ref, err := event.ParseRef(t[1])
			if err == nil && g.served(event.KindAnnouncement, ref.PubKey.String(), ref.D) {
				if e.Kind == event.KindPullRequest {
					return g.hold(*e, waitsForPush, graspHold)
				}
				return nil
			}
		}
	}
	return &relaytest.Verdict{Reason: noRepo}
}

func (g *grasp) hold(e nostr.Event, reason string, d time.Duration) *relaytest.Verdict {
	g.events[e.ID], g.expires[e.ID] = e, time.Now().Add(d)
	return &relaytest.Verdict{OK: true, Reason: reason, Hide: true}
}

// waits reports an announcement that is held.
func (g *grasp) waits(author, d string) bool {
	for _, e := range g.events {
		if e.Kind == event.KindAnnouncement && e.PubKey == author && e.Tags.GetD() == d {
			return true
		}
	}
	return false
}

func (g *grasp) served(kind int, author, d string) bool {
	for _, e := range g.w.own.Events() {
		if e.Kind == kind && e.PubKey == author && e.Tags.GetD() == d {
			return true
		}
	}
	return false
}

// promote serves a state and its announcement once the git data has come, if they are still held.
func (g *grasp) promote(state nostr.Event) {
	<-time.After(g.fetch)
	g.mu.Lock()
	var out []nostr.Event
	for id, e := range g.events {
		if e.PubKey == state.PubKey && e.Tags.GetD() == state.Tags.GetD() && time.Now().Before(g.expires[id]) {
			out = append(out, e)
			delete(g.events, id)
		}
	}
	g.mu.Unlock()
	g.serve(out...)
}

// push brings the commit of a pull request.
func (g *grasp) push(e nostr.Event) {
	g.mu.Lock()
	_, held := g.events[e.ID]
	delete(g.events, e.ID)
	g.mu.Unlock()
	require.True(g.w.t, held)
	g.serve(e)
}

func (g *grasp) serve(events ...nostr.Event) {
	if g.quiet {
		g.w.own.Set(func(o *relaytest.Options) { o.Silent = true })
		defer g.w.own.Set(func(o *relaytest.Options) { o.Silent = false })
	}
	g.w.own.Publish(events...)
}

// graspWorld is a thread with a pull request and a comment on it, at a relay that only the announcement names, and the announcement alone
// at a bootstrap relay.
func graspWorld(t *testing.T) (w *world, remotes []*relaytest.Relay, few []nostr.Event, pr, review nostr.Event) {
	w = newWorld(t)
	alice := newAuthor(1)
	at := time.Now().Add(-240 * time.Hour)
	few = thread(alice, "few", at, 5, "ws://one.example.com")
	pr = newAuthor(2).sign(event.KindPullRequest, at, nostr.Tag{"a", alice.coordinate("few")}, nostr.Tag{"c", "0123"})
	review = newAuthor(3).comment(pr, at.Add(time.Minute))
	w.cfg.Sync.Bootstrap = []relayurl.URL{"ws://start.example.com"}
	remotes = []*relaytest.Relay{
		w.remote("start.example.com", relaytest.Options{Events: few[:1]}),
		w.remote("one.example.com", relaytest.Options{Events: append(few, pr, review)}),
	}
	return w, remotes, few, pr, review
}

// The state is fetched while the announcement is held, or the own relay would never fetch the git data. What belongs to the repo arrives in
// seconds once that is there.
func TestARepoThatIsHeldUntilItsGitDataArrives(t *testing.T) {
	for name, quiet := range map[string]bool{"and its subscribers are told": false, "and nobody is told": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, remotes, few, pr, review := graspWorld(t)
				g := newGrasp(w, 10*time.Minute)
				g.quiet = quiet
				w.start()
				defer w.close(remotes...)
				w.within(20*time.Second, "state held", func() bool { return w.explain(few[1]).Disposition == relay.Held })
				sleep(9 * time.Minute)
				require.Len(t, w.missing(few...), len(few))
				patience := 75 * time.Second
				if quiet {
					patience = time.Hour // until it is offered again
				}
				w.arrive(patience+20*time.Second, few...)
				w.within(time.Minute, "pull request held", func() bool { return w.explain(pr).Disposition == relay.Held })
				require.Len(t, w.missing(pr, review), 2)

				g.quiet = false
				g.push(pr)
				w.arrive(20*time.Second, pr, review)
				for _, e := range append(few, pr, review) {
					w.within(2*time.Hour, "accounted for", func() bool { return w.explain(e).Disposition == relay.Stored })
				}
			})
		})
	}
}

// The state reaches the remote relay a day after the announcement, across a restart; and its git data cannot be had when it is first
// fetched, and is there the next day. Nothing is lost, and nothing waits longer than a day.
func TestAHeldRepoWhoseStateAndGitDataAreLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, remotes, few, pr, review := graspWorld(t)
		g := newGrasp(w, 0)
		one := remotes[1]
		one.Remove(few[1].ID)
		w.start()
		defer w.close(remotes...)
		w.within(time.Minute, "announcement held", func() bool { return w.explain(few[0]).Disposition == relay.Held })
		sleep(12 * time.Hour)
		w.stop()
		w.start()
		sleep(12 * time.Hour)
		one.Publish(few[1])
		sleep(10 * time.Second)
		require.Equal(t, relay.Held, w.explain(few[1]).Disposition, "its subscription is open")
		ref, err := event.ParseRef(newAuthor(1).coordinate("few"))
		require.NoError(t, err)
		x, known, err := w.store.ExplainRepo(w.t.Context(), ref)
		require.NoError(t, err)
		require.True(t, known)
		require.False(t, x.Full)

		sleep(29 * time.Hour)
		g.mu.Lock()
		g.fetch = time.Minute
		g.mu.Unlock()
		w.arrive(24*time.Hour+2*time.Minute, few...)
		w.within(time.Minute, "pull request held", func() bool { return w.explain(pr).Disposition == relay.Held })
		g.push(pr)
		w.arrive(20*time.Second, pr, review)
	})
}
