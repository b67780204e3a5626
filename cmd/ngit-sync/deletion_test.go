package main

import (
	gosync "sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// obedience lets an own relay honour deletions and requests to vanish: what their author has deleted goes, and is refused when it comes
// again.
type obedience struct {
	mu   gosync.Mutex
	own  *relaytest.Relay
	seen []nostr.Event // deletions and requests to vanish
}

func (w *world) obey() {
	o := &obedience{own: w.own}
	w.own.Set(func(x *relaytest.Options) { x.Policy = o.judge })
}

func (o *obedience) judge(e *nostr.Event) *relaytest.Verdict {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, d := range o.seen {
		if deletes(d, *e) {
			return &relaytest.Verdict{Reason: "blocked: this event has been deleted"}
		}
	}
	if e.Kind == event.KindDeletion || e.Kind == event.KindVanish {
		o.seen = append(o.seen, *e)
		for _, old := range o.own.Events() {
			if deletes(*e, old) {
				o.own.Remove(old.ID)
			}
		}
	}
	return nil
}

// deletes reports whether a deletion takes an event with it (NIP-09, NIP-62).
func deletes(d, e nostr.Event) bool {
	if d.PubKey != e.PubKey || e.Kind == event.KindVanish {
		return false
	}
	if d.Kind == event.KindVanish {
		return e.CreatedAt <= d.CreatedAt
	}
	address := event.Ref{Kind: e.Kind, D: e.Tags.GetD()}
	address.PubKey, _ = event.ParsePubKey(e.PubKey)
	for _, tag := range d.Tags {
		switch {
		case e.Kind == event.KindDeletion || len(tag) < 2:
		case tag[0] == "e" && tag[1] == e.ID:
			return true
		case tag[0] == "a" && tag[1] == address.String() && e.CreatedAt <= d.CreatedAt:
			return true
		}
	}
	return false
}

// sent reports whether the own relay was ever given an event.
func (w *world) sent(e nostr.Event) bool {
	for _, got := range w.own.Received() {
		if got.ID == e.ID {
			return true
		}
	}
	return false
}

// Bob takes a comment back, and one relay does not know it and sends it on, before his deletion comes or after it. The daemon may end in
// between. In the end the own relay has the deletion and not the comment; that he names alice's issue, too, does nothing.
func TestWhatIsTakenBackDoesNotComeAgain(t *testing.T) {
	const u, v = "ws://one.example.com", "ws://two.example.com"
	alice, bob := newAuthor(1), newAuthor(2)
	for _, before := range []bool{true, false} {
		for _, restart := range fewer(true, false) {
			name := map[bool]string{true: "before", false: "after"}[before] + map[bool]string{true: ", restarted"}[restart]
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.obey()
					old := thread(alice, "tool", time.Now().Add(-240*time.Hour), 2, u, v)
					said := bob.comment(old[4], time.Now())
					gone := bob.comment(old[2], time.Now())
					deletion := bob.sign(5, time.Now(), nostr.Tag{"e", gone.ID}, nostr.Tag{"e", old[2].ID}, nostr.Tag{"k", "1111"})
					one := w.remote("one.example.com", relaytest.Options{Events: append(old, said)})
					two := w.remote("two.example.com", relaytest.Options{Delay: 5 * time.Second})
					w.cfg.Sync.Bootstrap = []relayurl.URL{u}
					w.start()
					defer func() { w.close(one, two) }()
					w.connected(u, v)
					again := func() {
						if sleep(time.Minute); restart {
							w.stop()
							sleep(time.Hour)
							w.start()
							w.connected(u, v)
						}
					}
					if before {
						one.Publish(deletion)
						again()
						two.Publish(gone)
					} else {
						one.Publish(gone)
						w.arrive(time.Minute, gone)
						again()
						one.Publish(deletion)
						w.arrive(time.Minute, deletion)
						again()
						two.Publish(gone) // it has not heard
					}
					w.arrive(26*time.Hour, deletion)
					again()
					sleep(50 * time.Hour) // daily passes
					require.Empty(t, w.missing(append(old, said, deletion)...))
					require.False(t, w.own.Has(gone.ID))
					require.Equal(t, !before, w.sent(gone))
				})
			})
		}
	}
}

// A repo that its owner deletes is not wanted any more, and its announcement does not come back from a relay that still has it. A new
// announcement brings the repo back.
func TestDeletedRepoComesBackWithANewAnnouncement(t *testing.T) {
	const u = "ws://one.example.com"
	alice := newAuthor(1)
	for name, tag := range map[string]func(a nostr.Event) nostr.Tag{
		"by coordinate": func(nostr.Event) nostr.Tag { return nostr.Tag{"a", alice.coordinate("tool")} },
		"by id":         func(a nostr.Event) nostr.Tag { return nostr.Tag{"e", a.ID} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.obey()
				old := thread(alice, "tool", time.Now().Add(-240*time.Hour), 2, u)
				other := thread(alice, "other", time.Now().Add(-240*time.Hour), 2, u)
				one := w.remote("one.example.com", relaytest.Options{Events: append(old, other...)})
				w.cfg.Sync.Bootstrap = []relayurl.URL{u}
				w.start()
				defer func() { w.close(one) }()
				w.arrive(time.Minute, append(old, other...)...)
				deletion := alice.sign(5, time.Now(), tag(old[0]), nostr.Tag{"k", "30617"})
				one.Publish(deletion)
				w.arrive(time.Minute, deletion)
				sleep(time.Minute)
				require.False(t, w.own.Has(old[0].ID))
				require.Equal(t, 1, w.ring.snapshot.Load().Repos)
				for range 2 {
					one.Publish(alice.issue("tool", time.Now(), "late"))
					sleep(30 * time.Hour)
					require.Equal(t, 1, w.ring.snapshot.Load().Repos)
					require.False(t, w.own.Has(old[0].ID))
					require.Empty(t, w.missing(other...))
					w.stop()
					w.start()
				}
				sleep(time.Second)
				again := alice.announce("tool", time.Now(), u)
				late := alice.issue("tool", time.Now(), "later")
				one.Publish(again, late)
				w.arrive(time.Minute, again, late)
				sleep(time.Minute)
				require.Equal(t, 2, w.ring.snapshot.Load().Repos)
				require.False(t, w.own.Has(old[0].ID))
			})
		})
	}
}

// A request to vanish that names us goes to the own relay and takes what its author wrote; one that names another relay, or that the own
// relay refuses, takes nothing.
func TestRequestToVanishReachesTheOwnRelay(t *testing.T) {
	const u, v = "ws://one.example.com", "ws://two.example.com"
	alice, bob := newAuthor(1), newAuthor(2)
	for _, tt := range []struct {
		name, relay string
		refused     bool
		vanishes    bool
	}{
		{"all relays", "ALL_RELAYS", false, true},
		{"us", "wss://" + testDomain, false, true},
		{"another", "wss://else.example.com", false, false},
		{"refused", "ALL_RELAYS", true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.obey()
				if tt.refused {
					w.own.Set(func(o *relaytest.Options) {
						o.Policy = func(e *nostr.Event) *relaytest.Verdict {
							if e.Kind == event.KindVanish {
								return &relaytest.Verdict{Reason: "blocked: kind not allowed"}
							}
							return nil
						}
					})
				}
				old := thread(alice, "tool", time.Now().Add(-240*time.Hour), 2, u, v)
				said := bob.comment(old[2], time.Now().Add(-time.Hour))
				vanish := bob.sign(event.KindVanish, time.Now(), nostr.Tag{"relay", tt.relay})
				one := w.remote("one.example.com", relaytest.Options{Events: append(old, said, vanish)})
				two := w.remote("two.example.com", relaytest.Options{})
				w.cfg.Sync.Bootstrap = []relayurl.URL{u}
				w.start()
				defer func() { w.close(one, two) }()
				w.connected(u, v)
				sleep(time.Minute)
				require.Equal(t, tt.vanishes, w.own.Has(vanish.ID))
				require.Equal(t, !tt.vanishes, w.own.Has(said.ID))
				before, after := bob.comment(old[4], time.Now().Add(-2*time.Hour)), bob.comment(old[4], time.Now())
				w.stop()
				w.start()
				w.connected(u, v)
				two.Publish(said, before, after)
				w.arrive(26*time.Hour, after)
				sleep(time.Minute)
				require.Equal(t, !tt.vanishes, w.own.Has(before.ID))
				require.Equal(t, !tt.vanishes, w.own.Has(said.ID))
				require.Empty(t, w.missing(old...))
			})
		})
	}
}
