package main

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/config"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// Rules that take in more apply to what was refused before, without waiting for a daily pass; rules that take in less delete nothing.
func TestRingTakesAnotherScope(t *testing.T) {
	for _, speaks := range []bool{false, true} {
		t.Run(fmt.Sprint("negentropy ", speaks), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const u = "ws://one.example.com"
				w := newWorld(t)
				ours := thread(newAuthor(1), "ours", time.Now().Add(-240*time.Hour), 5, u)
				theirs := thread(newAuthor(2), "theirs", time.Now().Add(-240*time.Hour), 5, u)
				one := w.remote("one.example.com", relaytest.Options{
					Events: append(ours, theirs...), Negentropy: relaytest.Negentropy{Speak: speaks},
				})
				w.cfg.Sync.Bootstrap = []relayurl.URL{u}
				w.cfg.OwnRelay.Domains = nil
				archive := func(authors ...author) {
					w.cfg.Scope.Archive = nil
					for _, a := range authors {
						w.cfg.Scope.Archive = append(w.cfg.Scope.Archive, nip34.ArchiveRule{PubKey: event.PubKey(mustID(t, a.public()))})
					}
				}
				archive(newAuthor(1))
				w.start()
				w.arrive(time.Minute, ours...)
				w.connected(u)
				sleep(time.Minute)
				require.Len(t, w.missing(theirs...), len(theirs))
				require.Equal(t, 1, w.rows(theirs[0]), "it is known to be irrelevant")
				w.stop()

				archive(newAuthor(2), newAuthor(1))
				w.start()
				w.arrive(5*time.Minute, theirs...)
				w.connected(u)
				w.stop()

				archive(newAuthor(1))
				w.start()
				defer w.close(one)
				w.connected(u)
				sleep(10 * time.Minute)
				require.Empty(t, w.missing(append(ours, theirs...)...))
				require.Equal(t, len(ours)+len(theirs), w.rows(append(ours, theirs...)...))
			})
		})
	}
}

func mustID(t *testing.T, hex string) event.ID {
	t.Helper()
	id, err := event.ParseID(hex)
	require.NoError(t, err)
	return id
}

// The digest of the scope follows the rules, and nothing else.
func TestScopeIsADigestOfItsRules(t *testing.T) {
	alice, bob := event.PubKey{1}, event.PubKey{2}
	base := func() config.Config {
		c := config.Default()
		c.OwnRelay.Domains = []string{"a.example", "b.example"}
		c.Scope.Archive = []nip34.ArchiveRule{{PubKey: alice}, {Domain: "c.example"}}
		c.Scope.DenyAuthors = []event.PubKey{bob}
		c.Scope.DenyRepos = []event.Ref{event.RepoRef(alice, "x")}
		return c
	}
	first := settings{cfg: base()}.scope()
	for name, c := range map[string]struct {
		change func(*config.Config)
		same   bool
	}{
		"order":      {func(c *config.Config) { c.OwnRelay.Domains = []string{"B.example", "a.example", "a.example"} }, true},
		"bootstrap":  {func(c *config.Config) { c.Sync.Bootstrap = []relayurl.URL{"wss://x.example"} }, true},
		"domain":     {func(c *config.Config) { c.OwnRelay.Domains = []string{"a.example"} }, false},
		"archive":    {func(c *config.Config) { c.Scope.Archive = c.Scope.Archive[:1] }, false},
		"author":     {func(c *config.Config) { c.Scope.DenyAuthors = nil }, false},
		"repository": {func(c *config.Config) { c.Scope.DenyRepos[0].D = "y" }, false},
	} {
		cfg := base()
		c.change(&cfg)
		require.Equal(t, c.same, string(first) == string(settings{cfg: cfg}.scope()), name)
	}
}
