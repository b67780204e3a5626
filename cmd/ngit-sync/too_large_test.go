package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// One event is too large for the own relay, whichever way that is said or not said: it is set aside with the reason, and holds nobody up.
func TestAnEventThatIsTooLargeForTheOwnRelay(t *testing.T) {
	const most = 5000
	large := func(e *nostr.Event) bool { return len(e.Content) > most }
	for name, tt := range map[string]struct {
		set    func(o *relaytest.Options)
		reason string
	}{
		"stated in its document": {
			func(o *relaytest.Options) {
				o.Document = `{"limitation":{"max_message_length":5000}}`
				o.Policy = func(e *nostr.Event) *relaytest.Verdict {
					if large(e) {
						return &relaytest.Verdict{Drop: true}
					}
					return nil
				}
			}, "the own relay takes 5000",
		},
		"refused by OK": {func(o *relaytest.Options) {
			o.Policy = func(e *nostr.Event) *relaytest.Verdict {
				if large(e) {
					return &relaytest.Verdict{Reason: "invalid: event too large: 6000"}
				}
				return nil
			}
		}, "event too large"},
		"by a NOTICE and no OK": {func(o *relaytest.Options) {
			o.Policy = func(e *nostr.Event) *relaytest.Verdict {
				if large(e) {
					return &relaytest.Verdict{Notice: "message too large (6000 > 5000)"}
				}
				return nil
			}
		}, "message too large (6000 > 5000)"},
		"by cutting the connection": {func(o *relaytest.Options) {
			o.Policy = func(e *nostr.Event) *relaytest.Verdict {
				if large(e) {
					return &relaytest.Verdict{Drop: true}
				}
				return nil
			}
		}, "lost the connection twice"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const u = "ws://one.example.com"
				w := newWorld(t)
				w.own.Set(tt.set)
				alice := newAuthor(1)
				events := thread(alice, "tool", time.Now().Add(-240*time.Hour), 30, u)
				big := nostr.Event{
					Kind: event.KindPatch, CreatedAt: nostr.Timestamp(time.Now().Add(-200 * time.Hour).Unix()),
					Tags: nostr.Tags{{"a", alice.coordinate("tool")}}, Content: strings.Repeat("x", most+1),
				}
				require.NoError(t, big.Sign(alice.secret))
				one := w.remote("one.example.com", relaytest.Options{Events: append(events, big)})
				w.cfg.Sync.Bootstrap = []relayurl.URL{u}
				w.start()
				defer w.close(one)
				w.arrive(10*time.Minute, events...)
				id, err := event.ParseID(big.ID)
				require.NoError(t, err)
				late := 0
				w.within(2*time.Hour, "it is set aside", func() bool {
					late++
					live := alice.issue("tool", time.Now(), strings.Repeat("i", late))
					one.Publish(live) // others get through meanwhile
					events = append(events, live)
					x, known, err := w.store.Explain(t.Context(), id)
					require.NoError(t, err)
					return known && (x.Disposition == relay.OwnLimit || x.Disposition == relay.Rejected) && strings.Contains(x.Reason, tt.reason)
				})
				w.arrive(time.Minute, events...)
			})
		})
	}
}
