package nip34

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// FuzzAnnouncement reads tags from lines with elements between tabs.
func FuzzAnnouncement(f *testing.F) {
	n := npub(f, key(1))
	f.Add("d\tx\nclone\thttps://git.example.com/" + n + "/x.git\nrelays\twss://git.example.com\tgarbage\nmaintainers\t" + key(2).String())
	f.Add("d\tx\nclone\thttps://git.example.com/prs/" + n + "/x.git\nrelays\twss://git.example.com:443/")
	f.Add("d\nd\t\nname\t\x1b\nrelays\nclone\t\t\t\nmaintainers\tnpub1")
	for _, e := range announcements(f) {
		var lines []string
		for _, tag := range e.Tags {
			lines = append(lines, strings.Join(tag, "\t"))
		}
		f.Add(strings.Join(lines, "\n"))
	}
	f.Add("relays\t" + strings.Repeat("wss://a.example\t", 300) + "\nd\tx")
	f.Fuzz(func(t *testing.T, s string) {
		var tags nostr.Tags
		for line := range strings.SplitSeq(s, "\n") {
			tags = append(tags, strings.Split(line, "\t"))
		}
		e := wrap(t, nostr.Event{Kind: event.KindAnnouncement, PubKey: key(1).String(), Tags: tags})
		a, err := ParseAnnouncement(e)
		if err != nil {
			require.ErrorIs(t, err, ErrNoIdentifier)
			require.Empty(t, e.D())
			return
		}
		require.NotEmpty(t, a.Ref.D)
		require.LessOrEqual(t, len(a.Maintainers), MaxMaintainers)
		require.LessOrEqual(t, len(a.Relays), MaxRelays)
		require.LessOrEqual(t, len(a.Clone), MaxClone)
		require.LessOrEqual(t, len(a.Skipped), maxSkipped+1)
		require.NotContains(t, a.Maintainers, key(1))
		seen := map[relayurl.URL]bool{}
		for _, u := range a.Relays {
			again, err := relayurl.Canonical(string(u))
			require.NoError(t, err)
			require.Equal(t, u, again)
			require.False(t, seen[u])
			seen[u] = true
		}
		for _, reason := range a.Skipped {
			require.True(t, utf8.ValidString(reason))
			require.NotContains(t, reason, "\x1b")
		}
		if a.Lists([]string{ours}) {
			require.True(t, seen["wss://"+ours] || seen["ws://"+ours] || strings.Contains(s, "/"))
			require.Contains(t, strings.ToLower(s), "npub1")
			require.False(t, a.Lists([]string{"x" + ours}))
		}
		x := NewIndex(Rules{Domains: []string{ours}})
		require.Equal(t, a.Lists([]string{ours}), len(x.Add(a)) == 1)
		x.Remove(a.Ref)
		require.Empty(t, x.groups)
	})
}

func FuzzArchiveRule(f *testing.F) {
	f.Add(npub(f, key(1)) + "/a/b")
	f.Add("domain:git.example.com:8443")
	f.Add("domain:")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseArchiveRule(s)
		if err != nil {
			return
		}
		again, err := ParseArchiveRule(r.String())
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}
