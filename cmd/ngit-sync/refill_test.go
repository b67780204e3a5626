package main

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// An own relay that is wiped, restored from an old backup or robbed of some events is filled again without being asked, and what it kept is
// not sent again.
func TestOwnRelayThatLosesEventsIsFilledAgain(t *testing.T) {
	everything := func(all []nostr.Event) []nostr.Event { return all }
	newest := func(all []nostr.Event) []nostr.Event { return all[len(all)*2/3:] } // the second repo and its announcement among it
	comments := func(all []nostr.Event) (out []nostr.Event) {
		for _, e := range all {
			if e.Kind == event.KindComment {
				out = append(out, e)
			}
		}
		return out
	}
	down := func(w *world, rob func()) {
		w.own.Down(true)
		sleep(time.Minute)
		rob()
		w.own.Down(false)
	}
	for _, tt := range []struct {
		name   string
		lost   func([]nostr.Event) []nostr.Event
		how    func(w *world, rob func())
		within time.Duration
	}{
		{"wiped", everything, down, 10 * time.Minute},
		{"restored from a backup", newest, down, 10 * time.Minute},
		{"comments lost", comments, down, 10 * time.Minute},
		{"while the daemon is away", newest, func(w *world, rob func()) {
			w.stop()
			rob()
			sleep(time.Minute)
			w.start()
		}, 10 * time.Minute},
		{"under our eyes", comments, func(_ *world, rob func()) { rob() }, 25 * time.Hour},
	} {
		for _, speaks := range fewer(true, false) {
			t.Run(fmt.Sprintf("%s, negentropy %t", tt.name, speaks), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.own.Set(func(o *relaytest.Options) { o.Negentropy.Speak = speaks })
					start := time.Now().Add(-240 * time.Hour)
					one, two := "ws://one.example.com", "ws://two.example.com"
					first := thread(newAuthor(1), "first", start, 20, one, two)
					second := thread(newAuthor(2), "second", start.Add(time.Hour), 10, one)
					all := slices.Concat(first, second)
					r1 := w.remote("one.example.com", relaytest.Options{Events: all, Negentropy: relaytest.Negentropy{Speak: speaks}})
					r2 := w.remote("two.example.com", relaytest.Options{Events: first, PageCap: 10})
					w.cfg.Sync.Bootstrap = []relayurl.URL{relayurl.URL(one)}
					w.start()
					defer func() { w.close(r1, r2) }()
					w.connected(one, two)
					w.arrive(time.Minute, all...)
					sleep(time.Hour)

					lost := tt.lost(all)
					before := len(w.own.Received())
					tt.how(w, func() {
						for _, e := range lost {
							w.own.Remove(e.ID)
						}
					})
					require.Len(t, w.missing(all...), len(lost))
					w.arrive(tt.within, all...)
					w.connected(one, two)
					require.Len(t, w.own.Received()[before:], len(lost), "what it kept is not sent again")
				})
			})
		}
	}
}

// What the operator removes while the daemon looks on is not brought back.
func TestAnnouncementThatTheOperatorRemovesStaysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		start := time.Now().Add(-240 * time.Hour)
		keep, drop := thread(newAuthor(1), "keep", start, 3, "ws://one.example.com"), thread(newAuthor(2), "drop", start, 3, "ws://one.example.com")
		r := w.remote("one.example.com", relaytest.Options{Events: slices.Concat(keep, drop)})
		w.cfg.Sync.Bootstrap = []relayurl.URL{"ws://one.example.com"}
		w.start()
		defer w.close(r)
		w.connected("ws://one.example.com")
		w.arrive(time.Minute, slices.Concat(keep, drop)...)
		sleep(25 * time.Hour)
		w.own.Remove(drop[0].ID)
		sleep(time.Duration(unlessRaced(72, 30)) * time.Hour)
		require.Equal(t, []string{fmt.Sprintf("%s (kind 30617)", drop[0].ID)}, w.missing(slices.Concat(keep, drop)...))
		require.Equal(t, 1, w.ring.snapshot.Load().Repos)
	})
}

// Reactions to comments, their author's deletions and what was asked for as an ancestor tag neither a repo nor a root. They come back as well.
func TestWhatLiesAroundConversationsComesBackAfterAWipe(t *testing.T) {
	for _, speaks := range []bool{false, true} {
		t.Run(fmt.Sprintf("negentropy %t", speaks), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.own.Set(func(o *relaytest.Options) { o.Negentropy.Speak = speaks })
				start := time.Now().Add(-240 * time.Hour)
				one := "ws://one.example.com"
				all := thread(newAuthor(1), "first", start, 20, one)
				fan := newAuthor(2000)
				for _, e := range all {
					if e.Kind == event.KindComment {
						all = append(all, fan.sign(7, start.Add(time.Hour), nostr.Tag{"e", e.ID}))
					}
				}
				note := fan.sign(1, start)
				all = append(all, note, fan.sign(1, start.Add(time.Hour), nostr.Tag{"e", all[2].ID, "", "root"}, nostr.Tag{"e", note.ID, "", "reply"}))
				r := w.remote("one.example.com", relaytest.Options{Events: all, Negentropy: relaytest.Negentropy{Speak: speaks}})
				w.cfg.Sync.Bootstrap = []relayurl.URL{relayurl.URL(one)}
				w.start()
				defer func() { w.close(r) }()
				w.connected(one)
				w.arrive(10*time.Minute, all...)
				sleep(time.Hour)
				w.own.Down(true)
				sleep(time.Minute)
				for _, e := range all {
					w.own.Remove(e.ID)
				}
				w.own.Down(false)
				w.arrive(30*time.Minute, all...)
			})
		})
	}
}

// An own relay that says OK and does not keep an event does not have every relay asked for everything each day.
func TestEventThatTheOwnRelayNeverKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		one := "ws://one.example.com"
		all := thread(newAuthor(1), "first", time.Now().Add(-240*time.Hour), 20, one)
		spam := newAuthor(2000).comment(all[2], time.Now().Add(-200*time.Hour))
		w.own.Set(func(o *relaytest.Options) {
			o.Policy = func(e *nostr.Event) *relaytest.Verdict {
				if e.ID == spam.ID {
					return &relaytest.Verdict{OK: true, Hide: true}
				}
				return nil
			}
		})
		r := w.remote("one.example.com", relaytest.Options{Events: append(slices.Clone(all), spam)})
		w.start()
		defer func() { w.close(r) }()
		w.own.Publish(all[0])
		w.connected(one)
		w.arrive(10*time.Minute, all...)
		sleep(9 * 24 * time.Hour)
		sent := 0
		for _, e := range w.own.Received() {
			if e.ID == spam.ID {
				sent++
			}
		}
		require.GreaterOrEqual(t, sent, 2, "it may have been an accident")
		require.LessOrEqual(t, sent, 4)
	})
}
