package nip34

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

func TestParseAnnouncement(t *testing.T) {
	a := announce(t, 1, 99,
		nostr.Tag{"maintainers", key(2).String(), key(1).String(), "npub1x", key(2).String()},
		nostr.Tag{"relays", "wss://A.example/", "wss://b.example", "", "git.shakespeare.diy"},
		nostr.Tag{"d"},
		nostr.Tag{"d", "my 🚀/repo:x"},
		nostr.Tag{"d", "other"},
		nostr.Tag{"name", "My repo"},
		nostr.Tag{"name", "again"},
		nostr.Tag{"clone"},
		nostr.Tag{"clone", "git@github.com:x/y.git", " https://a.example/x.git "},
		nostr.Tag{},
		nostr.Tag{"relays", "wss://a.example", "ws://c.example", "wss://u@d.example"},
		nostr.Tag{"clone", "https://b.example/x.git"},
		nostr.Tag{"maintainers", key(3).String(), strings.ToUpper(key(4).String())},
		nostr.Tag{"deleted", "true"},
	)
	require.Equal(t, repo(1, "my 🚀/repo:x"), a.Ref)
	require.Equal(t, int64(99), a.CreatedAt)
	require.Equal(t, a.Event.ID, a.ID)
	require.Equal(t, "My repo", a.Name)
	require.Equal(t, []string{"git@github.com:x/y.git", "https://a.example/x.git", "https://b.example/x.git"}, a.Clone)
	require.Equal(t, []relayurl.URL{"wss://a.example", "wss://b.example", "ws://c.example"}, a.Relays)
	require.Equal(t, []event.PubKey{key(2), key(3)}, a.Maintainers)
	require.Equal(t, []string{
		`maintainers "npub1x": 6 characters, want 64 hex digits`,
		`relays "git.shakespeare.diy": relay url: scheme: no scheme`,
		`relays "wss://u@d.example": relay url: userinfo: not allowed`,
		`maintainers "` + strings.ToUpper(key(4).String()) + `": characters "AA" at 0, want lower-case hex digits`,
	}, a.Skipped)
	slim := a.Slim()
	require.Nil(t, slim.Event)
	require.NotNil(t, a.Event)
	require.Equal(t, a.Ref, slim.Ref)
}

func TestParseAnnouncementRefuses(t *testing.T) {
	for name, tags := range map[string]nostr.Tags{
		"no tags":          {},
		"no d":             {{"name", "x"}},
		"d without value":  {{"d"}},
		"empty d":          {{"d", ""}},
		"empty d is first": {{"d", ""}, {"d", "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseAnnouncement(wrap(t, nostr.Event{Kind: event.KindAnnouncement, PubKey: key(1).String(), Tags: tags}))
			require.ErrorIs(t, err, ErrNoIdentifier)
		})
	}
	_, err := ParseAnnouncement(wrap(t, nostr.Event{Kind: event.KindState, PubKey: key(1).String(), Tags: nostr.Tags{{"d", "x"}}}))
	require.ErrorIs(t, err, ErrKind)
}

// TestAnnouncementBounds: what is over a bound is skipped, and said, and the rest stands.
func TestAnnouncementBounds(t *testing.T) {
	maintainers, relays, clone := nostr.Tag{"maintainers"}, nostr.Tag{"relays"}, nostr.Tag{"clone", strings.Repeat("x", MaxCloneBytes+1)}
	for i := range 2 * MaxMaintainers {
		maintainers = append(maintainers, key(i+2).String(), key(i+2).String())
	}
	for i := range 2 * MaxRelays {
		relays = append(relays, fmt.Sprintf("wss://r%d.example", i))
	}
	for i := range 2 * MaxClone {
		clone = append(clone, fmt.Sprintf("https://c.example/%d", i))
	}
	a := announce(t, 1, 1, nostr.Tag{"d", "x"}, maintainers, relays, clone)
	require.Len(t, a.Maintainers, MaxMaintainers)
	require.Len(t, a.Relays, MaxRelays)
	require.Len(t, a.Clone, MaxClone)
	require.Equal(t, key(2), a.Maintainers[0])
	require.Len(t, a.Skipped, maxSkipped+1)
	require.Equal(t, fmt.Sprintf("and %d more", 2*MaxMaintainers+MaxRelays+MaxClone+1-maxSkipped), a.Skipped[maxSkipped])

	garbage := nostr.Tag{"relays"}
	for range MaxRelays {
		garbage = append(garbage, "x")
	}
	late := announce(t, 1, 1, nostr.Tag{"d", "x"}, garbage, nostr.Tag{"relays", "wss://late.example"})
	require.Empty(t, late.Relays, "garbage counts: looking at it is the cost")
}

func TestSkippedIsShort(t *testing.T) {
	a := announce(t, 1, 1, nostr.Tag{"d", "x"}, nostr.Tag{"relays", strings.Repeat("🚀", 5000), "\x1b[31m\u202e"})
	require.Len(t, a.Skipped, 2)
	for _, s := range a.Skipped {
		require.Less(t, len(s), 1000)
		require.NotContains(t, s, "\x1b")
		require.NotContains(t, s, "\u202e")
	}
}
