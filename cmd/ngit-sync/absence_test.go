package main

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
	"github.com/ngit-sync/ngit-sync/sync"
)

// A relay that is dead for three days is dialled as the backoff says, once a day at last, is shown as what it is, and gives
// everything when it is back.
func TestRelayDeadForThreeDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		alice, u := newAuthor(1), "ws://one.example.com"
		old := thread(alice, "tool", time.Now().Add(-240*time.Hour), 5, u)
		one := w.remote("one.example.com", relaytest.Options{Events: old})
		w.cfg.Sync.Bootstrap = []relayurl.URL{relayurl.URL(u)}
		two := w.bystander()
		w.start()
		defer w.close(one, two)
		w.arrive(time.Minute, old...)
		w.connected(u)
		sleep(time.Hour)
		require.EqualValues(t, health.Healthy, w.gauge("relay_status", u))

		one.Down(true)
		lost := time.Now()
		sleep(2 * time.Second)
		require.EqualValues(t, health.Degraded, w.gauge("relay_status", u))
		var missed []nostr.Event
		for i := range 3 {
			sleep(24*time.Hour - 2*time.Second)
			want := health.Dead
			if i == 0 {
				want = health.Degraded // the dial that finds it dead comes a little later
			}
			require.EqualValues(t, want, w.gauge("relay_status", u), "day %d", i+1)
			missed = append(missed, thread(alice, fmt.Sprint("day", i), time.Now().Add(-time.Duration(i)*time.Hour), 3, u)...)
			missed = append(missed, alice.issue("tool", time.Now().Add(-time.Duration(i)*24*time.Hour), "dated back"))
			one.Publish(missed...)
		}
		one.Down(false)
		require.EqualValues(t, sync.Disconnected, w.gauge("relay_connected", u))
		w.within(24*time.Hour, "it is dialled", func() bool { return w.phase(u).Open() })
		dials := w.lines.dialled("one.example.com", lost)
		back := dials[len(dials)-1]
		require.Equal(t, backoffFrom(lost, back), dials)
		w.arrive(0, missed...)
	})
}

// What a relay failed is forgotten after five stable minutes, not before.
func TestRelayRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		u := "ws://one.example.com"
		one := w.remote("one.example.com", relaytest.Options{})
		w.cfg.Sync.Bootstrap = []relayurl.URL{relayurl.URL(u)}
		two := w.bystander()
		w.start()
		defer w.close(one, two)
		w.connected(u)
		one.Down(true)
		lost := time.Now()
		sleep(time.Minute)
		one.Down(false)
		sleep(time.Minute)
		dials := w.lines.dialled("one.example.com", lost)
		back := dials[len(dials)-1]

		sleep(time.Until(back.Add(4*time.Minute + 50*time.Second)))
		require.EqualValues(t, health.Degraded, w.gauge("relay_status", u))
		require.Positive(t, w.gauge("relay_failures", u))
		sleep(20 * time.Second)
		require.EqualValues(t, health.Healthy, w.gauge("relay_status", u))
		require.Zero(t, w.gauge("relay_failures", u))
	})
}

// backoffFrom is when a relay is dialled that fails from that moment on: after 5 s, doubling to an hour, and once a day when it
// has failed for one.
func backoffFrom(lost, until time.Time) []time.Time {
	var out []time.Time
	wait := 5 * time.Second
	for at := lost.Add(wait); !at.After(until); at = at.Add(wait) {
		out = append(out, at)
		if wait = min(2*wait, time.Hour); at.Sub(lost) >= 24*time.Hour {
			wait = 24 * time.Hour
		}
	}
	return out
}

// A relay that is cut off every four minutes never is stable: the waits grow, it is not hammered, and gives all it has.
func TestFlappingRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		alice, u := newAuthor(1), "ws://one.example.com"
		old := thread(alice, "tool", time.Now().Add(-240*time.Hour), 50, u)
		one := w.remote("one.example.com", relaytest.Options{Events: old, PageCap: 20})
		w.cfg.Sync.Bootstrap = []relayurl.URL{relayurl.URL(u)}
		two := w.bystander()
		w.start()
		defer w.close(one, two)
		w.connected(u)

		start := time.Now()
		written := old
		for i := range 15 {
			for j := range 4 {
				e := alice.issue("tool", time.Now().Add(-time.Duration(i)*time.Minute), fmt.Sprint(i, "/", j))
				one.Publish(e)
				written = append(written, e)
				sleep(time.Minute)
			}
			one.Drop()
		}
		dials := w.lines.dialled("one.example.com", start)
		require.Less(t, len(dials), 14, "dials in an hour: %s", dials)
		require.Greater(t, dials[len(dials)-1].Sub(dials[len(dials)-2]), 5*time.Minute, "the waits grow")
		w.arrive(time.Hour, written...)
		sleep(6 * time.Minute)
		require.EqualValues(t, health.Healthy, w.gauge("relay_status", u), "it has been stable since")
	})
}

// absenceInterval lies between full passes here; a day would take the test as long as it takes a daemon to be idle for a day.
const absenceInterval = 2 * time.Hour

// absence is one case of TestAbsence: a relay, or the daemon, is away for a while.
type absence struct {
	name    string
	age     time.Duration // of the last full pass at its end
	length  time.Duration
	restart bool // it is the daemon that is away
	since   bool // the relay is asked since the cursor at first
}

// All three layers have events that were published meanwhile. Up to 15 minutes, all is asked again since the cursor less
// 15 minutes: what is dated back further comes with the next full pass. After a longer absence everything is asked afresh, but not
// twice within a full interval.
func TestAbsence(t *testing.T) {
	const (
		short, long = 14*time.Minute + 59*time.Second, 15*time.Minute + time.Second
		mark        = 30 * time.Second // after a restart one counts from the last live mark
		fresh, due  = absenceInterval / 2, absenceInterval + 5*time.Minute
	)
	for _, a := range []absence{
		{"14m59s", fresh, short, false, true},
		{"15m01s", fresh, long, false, true},
		{"14m59s, the full pass fell into it", due, short, false, true},
		{"15m01s, the full pass fell into it", due, long, false, false},
		{"restart 13m59s", fresh, short - 2*mark, true, true},
		{"restart 15m01s", fresh, long, true, true},
		{"restart 13m59s, the full pass fell into it", due, short - 2*mark, true, true},
		{"restart 15m01s, the full pass fell into it", due, long, true, false},
	} {
		t.Run(a.name, func(t *testing.T) { synctest.Test(t, a.run) })
	}
}

func (a absence) run(t *testing.T) {
	w := newWorld(t)
	alice, u := newAuthor(1), "ws://one.example.com"
	old := thread(alice, "tool", time.Now().Add(-240*time.Hour), 5, u)
	one := w.remote("one.example.com", relaytest.Options{Events: old})
	w.cfg.Sync.Bootstrap = []relayurl.URL{relayurl.URL(u)}
	two := w.bystander()
	w.cfg.Sync.FullInterval = absenceInterval
	w.cfg.Health.BaseBackoff, w.cfg.Health.MaxBackoff = time.Second, time.Second // the absence ends when the test says
	w.start()
	defer func() { w.close(one, two) }()
	w.connected(u)
	sleep(2 * time.Second) // a snapshot is a second old at most
	sleep(time.Until(w.view(u).LastFull.Add(a.age - a.length)))

	left := time.Now()
	if a.restart {
		w.stop()
	} else {
		one.Down(true)
	}
	root := old[2]
	now := time.Now().Add(time.Minute)
	near := append(thread(alice, "other", now, 2, u),
		alice.issue("tool", now, "layer 2"), newAuthor(2).comment(root, now),
		alice.issue("tool", now.Add(-10*time.Minute), "layer 2, dated back"), newAuthor(2).comment(root, now.Add(-10*time.Minute)))
	far := []nostr.Event{
		alice.issue("tool", now.Add(-48*time.Hour), "layer 2, dated back"), newAuthor(2).comment(root, now.Add(-48*time.Hour)),
		alice.announce("third", now.Add(-48*time.Hour), u),
	}
	<-time.After(time.Minute)
	one.Publish(near...)
	one.Publish(far...)
	if a.restart {
		sleep(time.Until(left.Add(a.length)))
		w.start()
	} else {
		sleep(time.Until(left.Add(a.length - time.Second/2)))
		one.Down(false)
	}
	back := left.Add(a.length)
	w.arrive(time.Minute, near...)
	require.Equal(t, []time.Time{back}, w.lines.dialled("one.example.com", back), "one dial, when it was due")
	require.Equal(t, a.since, askedSince(one, alice.coordinate("tool"), back), "asked since the cursor")
	if a.age >= absenceInterval {
		w.arrive(time.Minute, far...) // at once, or by the pass that was due
		return
	}
	sleep(time.Until(back.Add(absenceInterval - a.age - a.length - time.Minute)))
	require.Len(t, w.missing(far...), len(far), "only a full pass brings what was dated back")
	w.arrive(a.length+5*time.Minute, far...)
}

// askedSince reports whether the first historic question for a repo's events since that moment had a since.
func askedSince(r *relaytest.Relay, coordinate string, after time.Time) bool {
	for _, q := range r.Requests() {
		for _, f := range q.Filters {
			if !q.At.Before(after) && !f.LimitZero && len(f.Tags["a"]) > 0 && f.Tags["a"][0] == coordinate {
				return f.Since != nil
			}
		}
	}
	return false
}
