package nip34

import (
	"fmt"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip19"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// key is a recognisable key; it need not be on the curve, nothing here verifies.
func key(n int) event.PubKey {
	var pk event.PubKey
	pk[0], pk[30], pk[31] = 0xaa, byte(n>>8), byte(n)
	return pk
}

func npub(t testing.TB, pk event.PubKey) string {
	t.Helper()
	s, err := nip19.EncodePublicKey(pk.String())
	require.NoError(t, err)
	return s
}

// announce builds an announcement of key(author) from its tags.
func announce(t testing.TB, author int, createdAt int64, tags ...nostr.Tag) *Announcement {
	t.Helper()
	a, err := ParseAnnouncement(wrap(t, nostr.Event{
		PubKey: key(author).String(), CreatedAt: nostr.Timestamp(createdAt), Kind: event.KindAnnouncement, Tags: tags,
	}))
	require.NoError(t, err)
	return a
}

func wrap(t testing.TB, n nostr.Event) *event.Event {
	t.Helper()
	n.ID = n.GetID()
	e, err := event.Wrap(n)
	require.NoError(t, err)
	return e
}

const ours = "git.example.com"

// listing are the tags that name our service.
func listing(t testing.TB, author int, d string, more ...nostr.Tag) []nostr.Tag {
	t.Helper()
	return append([]nostr.Tag{
		{"d", d},
		{"clone", fmt.Sprintf("https://%s/%s/%s.git", ours, npub(t, key(author)), d)},
		{"relays", "wss://" + ours, fmt.Sprintf("wss://r%d.example", author)},
	}, more...)
}

func named(keys ...int) nostr.Tag {
	tag := nostr.Tag{"maintainers"}
	for _, k := range keys {
		tag = append(tag, key(k).String())
	}
	return tag
}

func repo(author int, d string) event.Ref { return event.RepoRef(key(author), d) }
