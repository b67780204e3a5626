package main

import (
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
	"github.com/ngit-sync/ngit-sync/sync"
)

const reconcilingHost = "reconciles.example.com"

// manyIssues is a repo with so many roots, a minute apart.
func manyIssues(a author, d string, n int, relays ...string) []nostr.Event {
	at := time.Now().Add(-time.Duration(n+60) * time.Minute)
	out := []nostr.Event{a.announce(d, at, relays...)}
	for i := range n {
		out = append(out, a.issue(d, at.Add(time.Duration(i)*time.Minute), fmt.Sprint(i)))
	}
	return out
}

// The daily pass at a relay that speaks NIP-77 brings what was missed, and nothing else.
func TestDailyPassReconciles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		url := "ws://" + reconcilingHost
		a := newAuthor(1)
		events := manyIssues(a, "tool", 300, url)
		r := w.remote(reconcilingHost, relaytest.Options{Events: events, Negentropy: relaytest.Negentropy{Speak: true}})
		w.cfg.Sync.Bootstrap = append(w.cfg.Sync.Bootstrap, relayurl.URL(url))
		w.start()
		w.arrive(5*time.Minute, events...)
		w.connected(url)
		missed := a.issue("tool", time.Now().Add(-100*time.Hour), "missed")
		slip(r, missed)
		before := r.Sent()
		w.arrive(25*time.Hour, missed)
		sleep(time.Hour)
		require.NotEmpty(t, r.Reconciliations())
		require.LessOrEqual(t, r.Sent()-before, 5)
		v := w.view(url)
		require.Equal(t, "negentropy", v.Mode)
		require.Equal(t, 1, w.bySource("negentropy"))
		w.close(r)
	})
}

// A relay that leaves events out of its reconciliations is found out by what others have given us of them.
func TestDailyPassFindsOutWhoWithholds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		url := "ws://" + reconcilingHost
		a := newAuthor(1)
		events := manyIssues(a, "tool", 300, url)
		hidden := map[string]bool{}
		for i := 5; i < len(events); i += 5 { // not the oldest, which is looked for in any case
			hidden[events[i].ID] = true
		}
		r := w.remote(reconcilingHost, relaytest.Options{Events: events, Negentropy: relaytest.Negentropy{
			Speak: true, Hide: func(id string) bool { return hidden[id] },
		}})
		w.cfg.Sync.Bootstrap = append(w.cfg.Sync.Bootstrap, relayurl.URL(url))
		w.start()
		w.arrive(5*time.Minute, events...)
		w.connected(url)
		missed := a.issue("tool", time.Now().Add(-3*time.Hour), "missed")
		hidden[missed.ID] = true
		slip(r, missed)
		w.arrive(26*time.Hour, missed)
		w.within(time.Hour, "all is asked anew", func() bool { return w.phase(url) == sync.Connected })
		v := w.view(url)
		require.Equal(t, "paged", v.Mode)
		require.Contains(t, v.ModeWhy, "withheld")
		w.close(r)
	})
}

// A relay that does not speak NIP-77 is paged; why is shown, and after a day it is tried again.
func TestRefusedNegentropyIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		url := "ws://" + reconcilingHost
		a := newAuthor(1)
		events := manyIssues(a, "tool", 20, url)
		r := w.remote(reconcilingHost, relaytest.Options{Events: events})
		w.cfg.Sync.Bootstrap = append(w.cfg.Sync.Bootstrap, relayurl.URL(url))
		w.start()
		w.arrive(5*time.Minute, events...)
		w.connected(url)
		missed := a.issue("tool", time.Now().Add(-100*time.Hour), "missed")
		slip(r, missed)
		w.arrive(26*time.Hour, missed)
		v := w.view(url)
		require.Equal(t, "paged", v.Mode)
		require.Equal(t, "NOTICE: ERROR: bad msg: negentropy disabled", v.ModeWhy)
		require.Equal(t, 1, w.gauge("gap_events_total", url))

		r.Set(func(o *relaytest.Options) { o.Negentropy.Speak = true })
		w.within(50*time.Hour, "it is tried again", func() bool { return w.view(url).Mode == "negentropy" })
		w.close(r)
	})
}

// What was fetched before a cut is not fetched again after it.
func TestPassThatIsCutGoesOnWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 2000
		w := newWorld(t)
		url := "ws://" + reconcilingHost
		a := newAuthor(1)
		events := manyIssues(a, "tool", n, url)
		r := w.remote(reconcilingHost, relaytest.Options{
			Events: events, PageCap: 50, Delay: time.Second, Negentropy: relaytest.Negentropy{Speak: true, IDsCap: 50},
		})
		w.cfg.Sync.Bootstrap = append(w.cfg.Sync.Bootstrap, relayurl.URL(url))
		w.start()
		for _, cut := range []struct {
			at  int
			how func()
		}{
			{n / 4, r.Drop},
			{n / 2, func() { // as if killed
				crashed := filepath.Join(t.TempDir(), "crashed.db")
				copyDatabase(w.database, crashed)
				w.stop()
				w.database = "sqlite:" + crashed
				w.start()
			}},
			{3 * n / 4, r.Drop},
			{7 * n / 8, func() { w.stop(); w.start() }},
		} {
			w.within(time.Hour, "so much has arrived", func() bool { return len(w.missing(events...)) <= n-cut.at })
			cut.how()
		}
		w.arrive(time.Hour, events...)
		w.connected(url)
		require.NotEmpty(t, r.Reconciliations())
		t.Logf("%d events sent, %d reconciliations", r.Sent(), len(r.Reconciliations()))
		require.Less(t, r.Sent(), n+n/20)
		w.close(r)
	})
}

// bySource is how many events the own relay took newly that were brought so.
func (w *world) bySource(source string) int {
	w.t.Helper()
	families, err := w.ring.registry.Gather()
	require.NoError(w.t, err)
	for _, f := range families {
		if f.GetName() != "ngit_sync_events_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() == source {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	return 0
}
