package main

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// What lies around the roots of a repo: answers to answers, deletions, and what is quoted. before is there when the daemon starts,
// after comes when it is connected.
func TestAroundARepo(t *testing.T) {
	const u = "ws://one.example.com"
	alice, bob := newAuthor(1), newAuthor(2)
	// The first sync brings what is there; later the repo is looked around every hour, because something was said in it in the last month.
	hourly := map[bool]time.Duration{true: time.Minute, false: 70 * time.Minute}
	daily := map[bool]time.Duration{true: time.Minute, false: 25 * time.Hour}
	for _, tt := range []struct {
		name  string
		wait  map[bool]time.Duration // at most, from when it is published, by before
		extra func(root, comment nostr.Event, at time.Time) []nostr.Event
	}{
		{"a reaction to a comment", hourly, func(_, comment nostr.Event, at time.Time) []nostr.Event {
			return []nostr.Event{bob.sign(7, at, nostr.Tag{"e", comment.ID}, nostr.Tag{"p", comment.PubKey})}
		}},
		{"a label and a zap of a comment, years old", daily, func(_, comment nostr.Event, at time.Time) []nostr.Event {
			old := at.Add(-2 * 365 * 24 * time.Hour)
			return []nostr.Event{bob.sign(1985, old, nostr.Tag{"e", comment.ID}), bob.sign(9735, old, nostr.Tag{"e", comment.ID})}
		}},
		{"a comment on a comment that names no root", hourly, func(_, comment nostr.Event, at time.Time) []nostr.Event {
			return []nostr.Event{bob.sign(event.KindComment, at, nostr.Tag{"e", comment.ID}, nostr.Tag{"k", "1111"})}
		}},
		{"a deletion that names the kind", map[bool]time.Duration{true: hourly[true], false: time.Second}, func(_, comment nostr.Event, at time.Time) []nostr.Event {
			return []nostr.Event{newAuthor(1000).sign(5, at, nostr.Tag{"e", comment.ID}, nostr.Tag{"k", "1111"})}
		}},
		{"a deletion of a comment without a kind", hourly, func(_, comment nostr.Event, at time.Time) []nostr.Event {
			return []nostr.Event{newAuthor(1000).sign(5, at, nostr.Tag{"e", comment.ID})}
		}},
		{"a note that a comment quotes", map[bool]time.Duration{true: time.Minute, false: time.Minute}, func(root, _ nostr.Event, at time.Time) []nostr.Event {
			note := bob.sign(1, at.Add(-time.Hour), nostr.Tag{"t", "nothing of ours"})
			return []nostr.Event{note, alice.sign(event.KindComment, at, nostr.Tag{"E", root.ID}, nostr.Tag{"e", root.ID}, nostr.Tag{"q", note.ID})}
		}},
	} {
		for _, before := range []bool{true, false} {
			name := tt.name + ", live"
			if before {
				name = tt.name + ", historic"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					old := thread(alice, "tool", time.Now().Add(-240*time.Hour), 2, u)
					one := w.remote("one.example.com", relaytest.Options{Events: old})
					w.cfg.Sync.Bootstrap = []relayurl.URL{u}
					extra := tt.extra(old[2], old[3], time.Now())
					if before {
						one.Publish(extra...)
					}
					w.start()
					defer w.close(one)
					w.connected(u)
					if !before {
						one.Publish(extra...)
					}
					w.arrive(tt.wait[before], extra...)
				})
			})
		}
	}
}

// A deletion that comes before what it names follows it to the own relay, whichever relay that comes from.
func TestDeletionFollowsItsTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const u, v = "ws://one.example.com", "ws://two.example.com"
		w := newWorld(t)
		alice, bob := newAuthor(1), newAuthor(2)
		old := thread(alice, "tool", time.Now().Add(-240*time.Hour), 2, u, v)
		said := bob.comment(old[4], time.Now())
		gone := bob.comment(old[2], time.Now())
		deletion := bob.sign(5, time.Now(), nostr.Tag{"e", gone.ID}, nostr.Tag{"k", "1111"})
		one := w.remote("one.example.com", relaytest.Options{Events: append(old, said, deletion)})
		two := w.remote("two.example.com", relaytest.Options{})
		w.cfg.Sync.Bootstrap = []relayurl.URL{u}
		w.start()
		defer w.close(one, two)
		w.connected(u, v)
		sleep(2 * time.Hour)
		two.Publish(gone)
		sleep(time.Second)

		w.arrive(25*time.Hour, deletion)
	})
}
