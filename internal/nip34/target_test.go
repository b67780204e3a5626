package nip34

import (
	"strings"
	"testing"

	"github.com/nbd-wtf/go-nostr/nip19"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

const (
	targetKey = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
	targetID  = "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa"
)

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		require.NoError(t, err)
		return v
	}
}

func TestTargets(t *testing.T) {
	text := must[string](t)
	id := must[event.ID](t)(event.ParseID(targetID))
	pk := must[event.PubKey](t)(event.ParsePubKey(targetKey))
	npub := text(nip19.EncodePublicKey(targetKey))
	note := text(nip19.EncodeNote(targetID))
	nevent := text(nip19.EncodeEvent(targetID, []string{"wss://relay.example.com"}, targetKey))
	repo := Target{Ref: event.RepoRef(pk, "a:b c")}
	for in, want := range map[string]Target{
		targetID:                        {ID: id},
		" " + targetID + "\n":           {ID: id},
		strings.ToUpper(targetID):       {ID: id},
		note:                            {ID: id},
		"nostr:" + nevent:               {ID: id},
		npub + "/a:b c":                 repo,
		"30617:" + targetKey + ":a:b c": repo,
		"30618:" + targetKey + ":a:b c": repo,
		text(nip19.EncodeEntity(targetKey, 30617, "a:b c", nil)): repo,
		text(nip19.EncodeEntity(targetKey, 30618, "a:b c", nil)): repo,
		npub + "/": {Ref: event.RepoRef(pk, "")},
	} {
		got, err := ParseTarget(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
		require.Equal(t, want.Ref.Kind != 0, got.Repo(), in)
	}
}

func TestMalformedTargets(t *testing.T) {
	text := must[string](t)
	npub := text(nip19.EncodePublicKey(targetKey))
	for _, in := range []string{
		"", "x", targetID[1:], targetID + "0", npub, npub[:20] + "/a", "note1xyz", "nevent1", "naddr1qqqq",
		"naddr1qqqkzqczqqqs9khr70", // a kind of two bytes
		text(nip19.EncodePrivateKey(targetKey)), text(nip19.EncodeEntity(targetKey, 30023, "a", nil)),
		"30617:" + targetKey, "1:" + targetKey + ":x", ":::", "nostr:", strings.Repeat("a", maxTarget+1),
	} {
		_, err := ParseTarget(in)
		require.ErrorIs(t, err, errTarget, in)
		require.Less(t, len(err.Error()), 300)
	}
}

func FuzzParseTarget(f *testing.F) {
	f.Add(targetID)
	f.Add("30617:" + targetKey + ":a")
	npub := npub(f, key(1))
	for _, s := range []string{
		npub, npub + "/a:b c", npub + "/", "nostr:" + npub + "/x", strings.ToUpper(npub) + "/x", " " + targetID + "\n", strings.ToUpper(targetID),
		"30617:" + targetKey + ":\x00\u202e", "30617:" + targetKey + ":", "30618:" + targetKey + ":a", "nostr:", ":::",
	} {
		f.Add(s)
	}
	for _, e := range announcements(f) {
		f.Add(e.Event.ID)
		naddr, err := nip19.EncodeEntity(e.Event.PubKey, e.Kind, e.D(), []string{"wss://relay.example.com"})
		require.NoError(f, err)
		f.Add(naddr)
		nevent, err := nip19.EncodeEvent(e.Event.ID, []string{"wss://relay.example.com"}, e.Event.PubKey)
		require.NoError(f, err)
		f.Add("nostr:" + nevent)
		note, err := nip19.EncodeNote(e.Event.ID)
		require.NoError(f, err)
		f.Add(note)
	}
	f.Add("naddr1qqqq")
	f.Add("nevent1qqqq")
	f.Fuzz(func(t *testing.T, text string) {
		target, err := ParseTarget(text)
		if err != nil {
			return
		}
		again, err := ParseTarget(target.String())
		require.NoError(t, err)
		require.Equal(t, target, again)
	})
}
