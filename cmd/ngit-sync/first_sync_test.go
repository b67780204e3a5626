package main

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// A reaction to a comment that is there from the start belongs to the first sync.
func TestFirstSyncBringsRepliesToReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const u = "ws://one.example.com"
		w := newWorld(t)
		alice, bob := newAuthor(1), newAuthor(2)
		old := thread(alice, "tool", time.Now().Add(-240*time.Hour), 2, u)
		reaction := bob.sign(7, time.Now(), nostr.Tag{"e", old[3].ID})
		one := w.remote("one.example.com", relaytest.Options{Events: append(old, reaction)})
		w.cfg.Sync.Bootstrap = []relayurl.URL{u}
		w.start()
		defer w.close(one)
		w.arrive(5*time.Minute, reaction)
	})
}
