package main

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip19"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/ngit-sync/ngit-sync/internal/config"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/internal/store"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
	"github.com/ngit-sync/ngit-sync/sync"
)

const (
	testDomain = "git.example.com"
	ownHost    = "own.example.com"
)

// world is a network in memory and in virtual time: an own relay, remote relays by host, and the ring between them.
type world struct {
	t        *testing.T
	lines    *lines
	own      *relaytest.Relay
	cfg      config.Config
	database string        // of the next start
	stored   store.Options // likewise
	store    *store.Store
	ring     *ring
	stop     func()
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, cfg: config.Default(), lines: newLines(), database: "sqlite:" + filepath.Join(t.TempDir(), "test.db")}
	w.own = w.remote(ownHost, relaytest.Options{Verify: true})
	w.cfg.OwnRelay.URL = "ws://" + ownHost
	w.cfg.OwnRelay.Domains = []string{testDomain}
	w.cfg.Sync.FullJitter = 0
	return w
}

// remote adds a relay under a name.
func (w *world) remote(host string, o relaytest.Options) *relaytest.Relay {
	r := relaytest.New(o)
	w.lines.network.Add(host+":80", r)
	return r
}

// bystander adds a bootstrap relay that is well and knows nothing: while it can be reached, what other relays fail is not our
// own outage.
func (w *world) bystander() *relaytest.Relay {
	w.cfg.Sync.Bootstrap = append(w.cfg.Sync.Bootstrap, "ws://well.example.com")
	return w.remote("well.example.com", relaytest.Options{})
}

// start runs the ring until w.stop, or the end of the test.
func (w *world) start() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	log := zaptest.NewLogger(w.t, zaptest.Level(zap.InfoLevel))
	options := w.stored
	options.Log = log
	st, err := store.Open(ctx, w.database, options)
	require.NoError(w.t, err)
	set := settings{cfg: w.cfg, own: w.cfg.OwnRelay.URL, seed: 1}
	set.login, err = set.readLogin()
	require.NoError(w.t, err)
	dial := set.dialer(nil)
	dial.DialContext = w.lines.DialContext
	w.store = st
	w.ring, err = newRing(ctx, set, relay.NewDialer(dial), st, log)
	require.NoError(w.t, err)
	done := make(chan error, 1)
	go func() { done <- w.ring.run(ctx) }()
	w.stop = func() {
		cancel()
		require.NoError(w.t, <-done)
		require.NoError(w.t, st.Close(context.WithoutCancel(ctx)))
	}
}

func (w *world) close(remotes ...*relaytest.Relay) {
	w.stop()
	w.own.Close()
	for _, r := range remotes {
		r.Close()
	}
}

// view is a relay in the last snapshot, nil when it is not known.
func (w *world) view(u string) *sync.RelayView {
	for _, v := range w.ring.snapshot.Load().Relays {
		if v.URL == relayurl.URL(u) {
			return v
		}
	}
	return nil
}

// phase of a relay in the last snapshot.
func (w *world) phase(u string) sync.Phase {
	if v := w.view(u); v != nil {
		return v.Phase
	}
	return sync.Removed
}

// connected waits until relays have been caught up with.
func (w *world) connected(urls ...string) {
	w.t.Helper()
	for _, u := range urls {
		w.within(2*time.Minute, "connected with "+u, func() bool { return w.phase(u) == sync.Connected })
	}
}

// gauge reads a series of whole numbers of one relay, or with an empty name that without a label; -1 when there is none.
func (w *world) gauge(name, u string) int {
	w.t.Helper()
	families, err := w.ring.registry.Gather()
	require.NoError(w.t, err)
	for _, f := range families {
		if f.GetName() != "ngit_sync_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			if l := m.GetLabel(); u == "" && len(l) == 0 || len(l) == 1 && l[0].GetValue() == u {
				return int(m.GetGauge().GetValue() + m.GetCounter().GetValue())
			}
		}
	}
	return -1
}

// received is how many events a relay has sent us since the start, repetitions included.
func (w *world) received(u string) int { return w.ring.received.Received(relayurl.URL(u)) }

// missing lists what the own relay does not have.
func (w *world) missing(events ...nostr.Event) []string {
	var out []string
	for _, e := range events {
		if !w.own.Has(e.ID) {
			out = append(out, fmt.Sprintf("%s (kind %d)", e.ID, e.Kind))
		}
	}
	return out
}

// arrive waits until the own relay has all of it.
func (w *world) arrive(d time.Duration, events ...nostr.Event) {
	w.t.Helper()
	w.within(d, "everything arrives", func() bool { return len(w.missing(events...)) == 0 })
}

// within lets virtual time pass until the condition holds, and fails when it does not hold in time.
func (w *world) within(d time.Duration, what string, cond func() bool) {
	w.t.Helper()
	start := time.Now()
	for end := start.Add(d); ; {
		synctest.Wait()
		if cond() {
			return
		}
		require.True(w.t, time.Now().Before(end), "%s: not within %s", what, d)
		<-time.After(max(time.Second, time.Since(start)/20)) // coarser as it takes longer
	}
}

// slip puts events into a relay's store without a word to its subscribers, as an import does.
func slip(r *relaytest.Relay, events ...nostr.Event) {
	synctest.Wait() // nobody is asking just now
	r.Set(func(o *relaytest.Options) { o.Silent = true })
	r.Publish(events...)
	r.Set(func(o *relaytest.Options) { o.Silent = false })
}

// sleep lets virtual time pass.
func sleep(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// author signs events.
type author struct{ secret string }

func newAuthor(n int) author { return author{fmt.Sprintf("%064x", n+1)} }

func (a author) public() string {
	pk, err := nostr.GetPublicKey(a.secret)
	if err != nil {
		panic(err)
	}
	return pk
}

func (a author) sign(kind int, at time.Time, tags ...nostr.Tag) nostr.Event {
	e := nostr.Event{Kind: kind, CreatedAt: nostr.Timestamp(at.Unix()), Tags: tags}
	if err := e.Sign(a.secret); err != nil {
		panic(err)
	}
	return e
}

// announce signs an announcement that lists the test's service and names these relays.
func (a author) announce(d string, at time.Time, relays ...string) nostr.Event {
	npub, err := nip19.EncodePublicKey(a.public())
	if err != nil {
		panic(err)
	}
	return a.sign(event.KindAnnouncement, at, nostr.Tag{"d", d},
		nostr.Tag{"clone", fmt.Sprintf("https://%s/%s/%s.git", testDomain, npub, d)},
		append(nostr.Tag{"relays", "wss://" + testDomain}, relays...))
}

// coordinate of a repo, as `a` tags carry it.
func (a author) coordinate(d string) string {
	return fmt.Sprintf("%d:%s:%s", event.KindAnnouncement, a.public(), d)
}

// issue signs a root event of a repo of the author's own.
func (a author) issue(d string, at time.Time, subject string) nostr.Event {
	return a.sign(event.KindIssue, at, nostr.Tag{"a", a.coordinate(d)}, nostr.Tag{"subject", subject})
}

// comment signs an answer to a root event.
func (a author) comment(root nostr.Event, at time.Time) nostr.Event {
	return a.sign(event.KindComment, at, nostr.Tag{"E", root.ID}, nostr.Tag{"e", root.ID}, nostr.Tag{"K", fmt.Sprint(root.Kind)})
}

// thread is an announcement with a state, issues and a comment on each.
func thread(a author, d string, at time.Time, issues int, relays ...string) []nostr.Event {
	out := []nostr.Event{
		a.announce(d, at, relays...),
		a.sign(event.KindState, at, nostr.Tag{"d", d}, nostr.Tag{"refs/heads/main", "0000000000000000000000000000000000000001"}),
	}
	for i := range issues {
		t := at.Add(time.Duration(i) * time.Minute)
		issue := a.issue(d, t, fmt.Sprint(i))
		out = append(out, issue, newAuthor(1000+i%7).comment(issue, t.Add(time.Second)))
	}
	return out
}

func npubOf(t *testing.T, a author) string {
	t.Helper()
	npub, err := nip19.EncodePublicKey(a.public())
	require.NoError(t, err)
	return npub
}
