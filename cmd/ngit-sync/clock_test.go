package main

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// The daemon's clock is 90 s before or behind that of everybody else. An own relay that takes nothing from the future, however little,
// has every event all the same.
func TestTheDaemonsClockIsWrong(t *testing.T) {
	for name, theirs := range map[string]time.Duration{"before theirs": -90 * time.Second, "behind theirs": 90 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const u = "ws://one.example.com"
				w := newWorld(t)
				now := func() time.Time { return time.Now().Add(theirs) }
				strict := func(e *nostr.Event) *relaytest.Verdict {
					if e.CreatedAt.Time().After(now()) {
						return &relaytest.Verdict{Reason: "invalid: created_at is in the future"}
					}
					return nil
				}
				w.own.Set(func(o *relaytest.Options) { o.Policy = strict })
				alice := newAuthor(1)
				events := thread(alice, "tool", now().Add(-240*time.Hour), 5, u)
				one := w.remote("one.example.com", relaytest.Options{Events: events})
				w.cfg.Sync.Bootstrap = []relayurl.URL{u}
				w.start()
				defer w.close(one)
				w.arrive(time.Minute, events...)
				for i := range 20 {
					e := alice.issue("tool", now(), fmt.Sprint("late ", i))
					// Who wrote this one had a clock that was before all others.
					ahead := alice.issue("tool", now().Add(90*time.Second), fmt.Sprint("ahead ", i))
					one.Publish(e, ahead)
					events = append(events, e, ahead)
					w.arrive(10*time.Second, e)
					if i == 10 {
						one.Drop()
					}
					sleep(10 * time.Second)
				}
				w.arrive(10*time.Minute, events...)
			})
		})
	}
}
