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
func TestTheOwnRelayHangsForTwoMinutes(t *testing.T) {
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
				many := thread(alice, "many", time.Now().Add(-240*time.Hour), 600, full)
				one := w.remote("live.example.com", relaytest.Options{Events: few})
				two := w.remote("full.example.com", relaytest.Options{Events: many, PageCap: 50, Delay: 2 * time.Second})
				w.cfg.Sync.Bootstrap = []relayurl.URL{relayurl.URL(live)}
				w.start()
				defer w.close(one, two)
				w.connected(live)
				one.Publish(many[0]) // names the other one
				w.within(time.Minute, "history is being paged", func() bool { return len(w.missing(many...)) < 1000 })

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
