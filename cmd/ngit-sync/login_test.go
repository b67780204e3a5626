package main

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// An own relay that takes and shows nothing without a login is filled all the same, whenever it sends its challenge, and whatever it is
// called behind its proxy.
func TestOwnRelayThatWantsALogin(t *testing.T) {
	for name, own := range map[string]relaytest.Options{
		"challenge at the start":       {Challenge: "c1"},
		"challenge with each refusal":  {Challenge: "c2", AskedFirst: true},
		"known by its public name":     {Challenge: "c3", AuthName: "wss://" + testDomain},
		"challenge, and another order": {Challenge: "c4", AskedFirst: true, Concurrent: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.loginAs(newAuthor(77))
				own.Verify, own.RequireAuth = true, true
				w.own.Set(func(o *relaytest.Options) { *o = own })
				events := thread(newAuthor(1), "hello", time.Now().Add(-240*time.Hour), 10, "ws://remote.example.com")
				remote := w.remote("remote.example.com", relaytest.Options{Events: events})
				w.cfg.Sync.Bootstrap = []relayurl.URL{"ws://remote.example.com"}
				w.start()
				defer w.close(remote)
				w.arrive(time.Minute, events...)
				state := w.ring.publisher.Own()
				require.True(t, state.Ready(), "%+v", state)

				w.own.Drop() // a new connection is a new login
				late := newAuthor(1).issue("hello", time.Now(), "late")
				remote.Publish(late)
				w.arrive(time.Minute, late)
			})
		})
	}
}

// Without a key, and with one that is not welcome, publishing stands still and says so; nothing is given up.
func TestOwnRelayThatDoesNotKnowUs(t *testing.T) {
	for name, key := range map[string]bool{"no key": false, "another name": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if key {
					w.loginAs(newAuthor(77))
				}
				events := thread(newAuthor(1), "hello", time.Now().Add(-240*time.Hour), 3, "ws://remote.example.com")
				remote := w.remote("remote.example.com", relaytest.Options{Events: events})
				w.cfg.Sync.Bootstrap = []relayurl.URL{"ws://remote.example.com"}
				w.own.Set(func(o *relaytest.Options) {
					o.Challenge, o.AuthName = "c1", "wss://elsewhere.example.com"
					o.Policy = func(*nostr.Event) *relaytest.Verdict {
						return &relaytest.Verdict{Reason: "auth-required: members only"}
					}
				})
				w.start()
				defer w.close(remote)
				sleep(3 * time.Minute)
				require.Equal(t, "auth-required: members only", w.ring.publisher.Own().Halted)
				require.NotEmpty(t, w.missing(events...))

				w.own.Set(func(o *relaytest.Options) { o.Policy = nil })
				w.arrive(10*time.Minute, events...)
			})
		})
	}
}

// loginAs gives the daemon a key for its own relay.
func (w *world) loginAs(a author) {
	path := filepath.Join(w.t.TempDir(), "own.key")
	require.NoError(w.t, os.WriteFile(path, []byte(a.secret), 0o600))
	w.cfg.OwnRelay.AuthKeyFile = path
}
