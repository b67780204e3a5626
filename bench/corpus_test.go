package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
)

func TestCorpusIsWhatTheDaemonAccepts(t *testing.T) {
	c := small(t)
	require.Len(t, c.stored, 24)
	require.Len(t, c.live, 3)
	index := nip34.NewIndex(nip34.Rules{Domains: []string{domain}})
	for repo := range c.Repos {
		e, err := announcement(repo, []string{"ws://127.0.0.1:7777"})
		require.NoError(t, err)
		parsed, err := event.Parse(e.raw, event.DefaultLimits())
		require.NoError(t, err)
		a, err := nip34.ParseAnnouncement(parsed)
		require.NoError(t, err)
		require.Len(t, a.Relays, 2)
		require.Empty(t, a.Skipped)
		index.Add(a)
	}
	known := map[event.ID]bool{}
	roots, byRepo, byRoot := 0, 0, 0
	last := nostr.Timestamp(0)
	for _, e := range append(c.stored, c.live...) {
		parsed, err := event.Parse(e.raw, event.DefaultLimits())
		require.NoError(t, err)
		require.True(t, parsed.Verify())
		require.GreaterOrEqual(t, e.event.CreatedAt, last)
		last = e.event.CreatedAt
		refs := parsed.References()
		for _, ref := range refs.Refs {
			require.True(t, index.Covers(ref), ref)
		}
		for _, id := range refs.IDs {
			require.True(t, known[id], "a root comes before what is said about it")
		}
		switch {
		case event.IsRoot(parsed.Kind):
			roots++
			known[parsed.ID] = true
			require.NotEmpty(t, refs.Refs)
		case len(refs.Refs) > 0:
			byRepo++
		default:
			byRoot++
			require.NotEmpty(t, refs.IDs)
		}
	}
	require.Equal(t, 4, roots)
	require.Positive(t, byRepo)
	require.Positive(t, byRoot)
}

func TestCorpusIsTheSameFromTheCache(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	s := spec{Repos: 1, Roots: 2, Comments: 5, Live: 1}
	first, err := cached(s)
	require.NoError(t, err)
	name, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "ngit-sync-bench", "*"))
	require.NoError(t, err)
	require.Len(t, name, 1)
	again, err := load(name[0], first.spec)
	require.NoError(t, err)
	require.Equal(t, first, again)

	whole, err := os.ReadFile(name[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name[0], whole[:len(whole)/2], 0o600))
	_, err = load(name[0], first.spec)
	require.Error(t, err)
	mended, err := cached(s)
	require.NoError(t, err)
	require.Equal(t, first, mended)

	other := first.spec
	other.Live++
	_, err = load(name[0], other)
	require.ErrorContains(t, err, "another corpus")
}
