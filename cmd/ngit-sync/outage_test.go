package main

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// The own relay goes away for two minutes, while one remote relay sends live events and another one's history is being paged.
// No remote connection ends for it, and all arrives.
func TestTheOwnRelayIsAwayForTwoMinutes(t *testing.T) {
	for name, away := range map[string]func(own *relaytest.Relay, away bool){
		"refuses": (*relaytest.Relay).Down,
		"hangs": func(own *relaytest.Relay, away bool) {
			own.Set(func(o *relaytest.Options) { o.Silent = away })
		},
		"reads no more": func(own *relaytest.Relay, away bool) {
			own.Set(func(o *relaytest.Options) { o.Deaf = away })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				alice, live, full := newAuthor(1), "ws://live.example.com", "ws://full.example.com"
				few := thread(alice, "few", time.Now().Add(-240*time.Hour), 5, live)
				many := thread(alice, "many", time.Now().Add(-240*time.Hour), unlessRaced(600, 200), full)
				one := w.remote("live.example.com", relaytest.Options{Events: few})
				two := w.remote("full.example.com", relaytest.Options{Events: many, PageCap: 50, Delay: 2 * time.Second})
				w.cfg.Sync.Bootstrap = []relayurl.URL{relayurl.URL(live)}
				w.start()
				defer w.close(one, two)
				w.connected(live)
				one.Publish(many[0]) // names the other one
				w.within(time.Minute, "history is being paged", func() bool { return len(w.missing(many...)) < len(many)*5/6 })

				away(w.own, true)
				require.NotEmpty(t, w.missing(many...))
				for i := range 24 {
					e := alice.issue("few", time.Now(), fmt.Sprint("late ", i))
					one.Publish(e)
					few = append(few, e)
					<-time.After(5 * time.Second)
				}
				require.NotEmpty(t, w.missing(few...))
				away(w.own, false)
				w.arrive(3*time.Minute, slices.Concat(few, many)...)
				require.Equal(t, 1, one.Connections(), "the connection stood all the time")
				require.Equal(t, 1, two.Connections(), "the connection stood all the time")
			})
		})
	}
}

// A relay that does not answer any more is left at the first ping that has no pong after ten seconds, and dialled again.
func TestHalfOpenConnection(t *testing.T) {
	const pingEvery, pongWait = 30 * time.Second, 10 * time.Second
	script := func(set func(o *relaytest.Options, on bool)) func(*world, *relaytest.Relay, bool) {
		return func(_ *world, r *relaytest.Relay, on bool) { r.Set(func(o *relaytest.Options) { set(o, on) }) }
	}
	for name, half := range map[string]func(w *world, r *relaytest.Relay, on bool){
		"the line is dead": func(w *world, _ *relaytest.Relay, on bool) {
			if on {
				w.lines.swallow("one.example.com")
			}
		},
		"no pongs":  script(func(o *relaytest.Options, on bool) { o.NoPong = on }),
		"no answer": script(func(o *relaytest.Options, on bool) { o.Silent = on }),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				alice, u := newAuthor(1), "ws://one.example.com"
				old := thread(alice, "tool", time.Now().Add(-240*time.Hour), 5, u)
				one := w.remote("one.example.com", relaytest.Options{Events: old})
				w.cfg.Sync.Bootstrap = []relayurl.URL{relayurl.URL(u)}
				two := w.bystander()
				w.start()
				defer w.close(one, two)
				w.connected(u)
				up := w.lines.dialled("one.example.com", time.Time{})[0]
				sleep(time.Until(up.Add(pingEvery + pongWait/2)))

				e := alice.issue("tool", time.Now(), "unheard")
				slip(one, e)
				half(w, one, true)
				sleep(time.Until(up.Add(2*pingEvery + pongWait - time.Second)))
				require.True(t, w.phase(u).Open(), "patience")
				sleep(2 * time.Second)
				require.False(t, w.phase(u).Open(), "given up")
				half(w, one, false)
				w.within(time.Minute, "dialled again", func() bool { return w.phase(u).Open() })
				require.Equal(t, []time.Time{up.Add(2*pingEvery + pongWait + w.cfg.Health.BaseBackoff)},
					w.lines.dialled("one.example.com", up.Add(time.Second)))
				w.arrive(time.Minute, e)
			})
		})
	}
}
