package storetest

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

const (
	alpha = relayurl.URL("wss://alpha.example")
	beta  = relayurl.URL("wss://beta.example/nostr")
	gamma = relayurl.URL("ws://[::1]:7000")
)

// t0 has no fraction of a millisecond: the store keeps none.
var t0 = time.Date(2026, 3, 1, 12, 30, 15, 123e6, time.UTC)

func key(n int) event.PubKey {
	var pk event.PubKey
	r := rand.New(rand.NewPCG(uint64(n), 1))
	for i := range pk {
		pk[i] = byte(r.Uint32())
	}
	return pk
}

// signed makes an event whose id is that of its content. Nobody here looks at signatures.
func signed(t testing.TB, n nostr.Event) *event.Event {
	t.Helper()
	if n.PubKey == "" {
		n.PubKey = key(0).String()
	}
	n.ID = n.GetID()
	n.Sig = strings.Repeat("ab", 64)
	e, err := event.Wrap(n)
	require.NoError(t, err)
	return e
}

func note(t testing.TB, n int, tags ...nostr.Tag) *event.Event {
	t.Helper()
	return signed(t, nostr.Event{
		Kind: event.KindIssue, CreatedAt: nostr.Timestamp(1_700_000_000 + n), Content: fmt.Sprintf("note %d", n), Tags: tags,
	})
}

func announcement(t testing.TB, author int, d string) *event.Event {
	t.Helper()
	return signed(t, nostr.Event{
		Kind: event.KindAnnouncement, CreatedAt: 1_700_000_000, PubKey: key(author).String(),
		Tags: nostr.Tags{{"d", d}, {"name", "sample"}, {"clone", "https://git.example/x.git"}, {"relays", string(alpha)}},
	})
}

func ids(events ...*event.Event) []event.ID {
	out := make([]event.ID, len(events))
	for i, e := range events {
		out[i] = e.ID
	}
	return out
}

func hexID(id event.ID) string { return hex.EncodeToString(id[:]) }
