package main

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// An own relay that dies at every event it is sent, for two minutes, loses none of them; one that dies at a single event loses that one.
func TestTheOwnRelayDiesAtEvents(t *testing.T) {
	for name, deadly := range map[string]func(poison bool, n int) bool{
		"every event":       func(bool, int) bool { return true },
		"every third event": func(_ bool, n int) bool { return n%3 == 0 },
		"a single one":      func(poison bool, _ int) bool { return poison },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const u = "ws://one.example.com"
				w := newWorld(t)
				alice := newAuthor(1)
				few := thread(alice, "few", time.Now().Add(-240*time.Hour), 5, u)
				one := w.remote("one.example.com", relaytest.Options{Events: few})
				w.cfg.Sync.Bootstrap = []relayurl.URL{u}
				w.start()
				defer w.close(one)
				w.arrive(time.Minute, few...)

				poison, n := alice.issue("few", time.Now(), "poison"), 0
				w.own.Set(func(o *relaytest.Options) {
					o.Policy = func(e *nostr.Event) *relaytest.Verdict {
						if n++; deadly(e.ID == poison.ID, n) {
							return &relaytest.Verdict{Drop: true}
						}
						return nil
					}
				})
				one.Publish(poison)
				for i := range 24 {
					e := alice.issue("few", time.Now(), fmt.Sprint("late ", i))
					one.Publish(e)
					few = append(few, e)
					<-time.After(5 * time.Second)
				}
				single := name == "a single one"
				if !single {
					few = append(few, poison)
					w.own.Set(func(o *relaytest.Options) { o.Policy = nil })
				}
				w.arrive(5*time.Minute, few...)
				if single {
					before := w.own.Connections()
					<-time.After(time.Hour)
					require.NotEmpty(t, w.missing(poison))
					require.Equal(t, before, w.own.Connections(), "it is not tried again")
				}
			})
		})
	}
}
