package relay

import (
	"strings"
	"sync"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip19"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

var testKeys sync.Map

// testKey is the public key of relaytest.SecretKey(n).
func testKey(n int) event.PubKey {
	if pk, ok := testKeys.Load(n); ok {
		return pk.(event.PubKey)
	}
	pk, err := event.ParsePubKey(relaytest.PublicKey(n))
	if err != nil {
		panic(err)
	}
	testKeys.Store(n, pk)
	return pk
}

// signed is the same event, fit for a relay that verifies.
func signed(e *event.Event, key int) *event.Event {
	n := *e.Event
	relaytest.Sign(&n, key)
	s, err := event.Wrap(n)
	if err != nil {
		panic(err)
	}
	return s
}

// ev makes an event without a signature. Its content is its name.
func ev(name string, kind, key int, createdAt time.Time, tags ...nostr.Tag) *event.Event {
	n := nostr.Event{
		Kind: kind, PubKey: testKey(key).String(), CreatedAt: nostr.Timestamp(createdAt.Unix()), Content: name, Tags: tags,
		Sig: strings.Repeat("00", 64),
	}
	n.ID = n.GetID()
	e, err := event.Wrap(n)
	if err != nil {
		panic(err)
	}
	return e
}

// repo makes an announcement that lists us.
func repo(name string, key int, d string, createdAt time.Time, maintainers ...int) *event.Event {
	npub, err := nip19.EncodePublicKey(testKey(key).String())
	if err != nil {
		panic(err)
	}
	return ev(name, event.KindAnnouncement, key, createdAt, append(elsewhere(d, maintainers),
		nostr.Tag{"clone", "https://" + ourDomain + "/" + npub + "/" + d + ".git"},
		nostr.Tag{"relays", "wss://" + ourDomain})...)
}

// foreign makes an announcement that does not list us.
func foreign(name string, key int, d string, createdAt time.Time, maintainers ...int) *event.Event {
	return ev(name, event.KindAnnouncement, key, createdAt, elsewhere(d, maintainers)...)
}

func elsewhere(d string, maintainers []int) []nostr.Tag {
	tags := []nostr.Tag{{"d", d}, {"relays", "wss://elsewhere.example"}}
	if len(maintainers) > 0 {
		tag := nostr.Tag{"maintainers"}
		for _, m := range maintainers {
			tag = append(tag, testKey(m).String())
		}
		tags = append(tags, tag)
	}
	return tags
}

func state(name string, key int, d string, createdAt time.Time) *event.Event {
	return ev(name, event.KindState, key, createdAt, nostr.Tag{"d", d})
}

func issue(name string, key int, repoKey int, d string) *event.Event {
	return ev(name, event.KindIssue, key, benchStart, toRepo(repoKey, d))
}

func comment(name string, key int, on *event.Event) *event.Event {
	return ev(name, event.KindComment, key, benchStart, to(on))
}

func to(e *event.Event) nostr.Tag { return nostr.Tag{"e", e.ID.String()} }

func toRepo(key int, d string) nostr.Tag {
	return nostr.Tag{"a", event.RepoRef(testKey(key), d).String()}
}

// announced is what selfsub makes of an announcement on the own relay.
func announced(events ...*event.Event) Observed {
	var o Observed
	for _, e := range events {
		a, err := nip34.ParseAnnouncement(e)
		if err != nil {
			panic(err)
		}
		o.Announcements = append(o.Announcements, a)
	}
	return o
}
