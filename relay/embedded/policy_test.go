package embedded

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
)

const (
	owner = iota
	maintainer
	stranger
	denied
)

func TestAnnouncements(t *testing.T) {
	p := dial(t, run(t, rules()).URL())
	elsewhere := sign(t, stranger, event.KindAnnouncement, 100, "", nostr.Tag{"d", "repo"},
		nostr.Tag{"clone", "https://git.example.com.evil.example/x/repo.git"}, nostr.Tag{"relays", "wss://" + domain})
	p.refused(elsewhere, notListed)
	p.refused(sign(t, owner, event.KindAnnouncement, 100, "", nostr.Tag{"clone", "https://" + domain}), noSuchIdent)

	fork := sign(t, maintainer, event.KindAnnouncement, 100, "", nostr.Tag{"d", "repo"}, nostr.Tag{"relays", "wss://relay.example"})
	p.refused(fork, notListed)
	p.refused(sign(t, maintainer, event.KindState, 100, "", nostr.Tag{"d", "repo"}), noRepo)
	p.accepted(announce(t, owner, "repo", 100, nostr.Tag{"maintainers", pub(t, maintainer).String()}), fork)
	p.accepted(
		sign(t, owner, event.KindState, 100, "", nostr.Tag{"d", "repo"}),
		sign(t, maintainer, event.KindState, 101, "", nostr.Tag{"d", "repo"}))
	p.refused(sign(t, stranger, event.KindState, 100, "", nostr.Tag{"d", "repo"}), noRepo)
	p.refused(sign(t, owner, event.KindState, 102, "", nostr.Tag{"d", "another"}), noRepo)

	// The version that ends the listing is taken; what follows from it is not.
	p.accepted(sign(t, owner, event.KindAnnouncement, 200, "", nostr.Tag{"d", "repo"}))
	p.refused(announce(t, owner, "repo", 150), "replaced: have newer event")
	p.refused(sign(t, owner, event.KindState, 300, "", nostr.Tag{"d", "repo"}), noRepo)
}

func TestArchiveAndDeny(t *testing.T) {
	r := rules()
	r.Archive = []nip34.ArchiveRule{{PubKey: pub(t, maintainer)}}
	r.DenyAuthors = map[event.PubKey]bool{pub(t, denied): true}
	p := dial(t, run(t, r).URL())
	p.accepted(sign(t, maintainer, event.KindAnnouncement, 1, "", nostr.Tag{"d", "archived"}))
	p.refused(announce(t, denied, "repo", 1), "blocked: the author is denied here")
	p.refused(sign(t, denied, 1621, 1, "", nostr.Tag{"a", coordinate(t, maintainer, "archived")}), "blocked: the author is denied here")
}

func TestRelations(t *testing.T) {
	p := dial(t, run(t, rules()).URL())
	longName := strings.Repeat("long-", 40) // a coordinate that many stores do not index
	p.accepted(announce(t, owner, "repo", 100, nostr.Tag{"maintainers", pub(t, maintainer).String()}), announce(t, owner, longName, 100))
	repo := nostr.Tag{"a", coordinate(t, owner, "repo")}

	issue := sign(t, stranger, 1621, 200, "issue", repo)
	ancestor := sign(t, stranger, 1, 50, "a note")
	comment := sign(t, stranger, 1111, 300, "comment", nostr.Tag{"E", issue.Event.ID}, nostr.Tag{"q", ancestor.Event.ID})
	p.refused(comment, notRelated)
	p.refused(ancestor, notRelated)
	p.accepted(issue, comment, ancestor)
	p.accepted(
		sign(t, stranger, 1621, 201, "on the state's coordinate", nostr.Tag{"a", strings.Replace(repo[1], "30617", "30618", 1)}),
		sign(t, stranger, 1617, 201, "to a maintainer without an announcement", nostr.Tag{"a", coordinate(t, maintainer, "repo")}),
		sign(t, stranger, 1621, 202, "long", nostr.Tag{"a", coordinate(t, owner, longName)}),
		sign(t, stranger, 7, 203, "+", nostr.Tag{"e", comment.Event.ID}),
		sign(t, stranger, 1985, 204, "", nostr.Tag{"A", repo[1]}),
		sign(t, stranger, 9842, 205, "", nostr.Tag{"q", repo[1]}))
	p.refused(sign(t, stranger, 1621, 206, "", nostr.Tag{"a", coordinate(t, stranger, "repo")}), notRelated)
	p.refused(sign(t, stranger, 1621, 206, "", nostr.Tag{"a", "npub1xyz/repo"}), notRelated)
	p.refused(sign(t, stranger, 0, 206, "{}"), notRelated)

	// What is stored counts by its coordinate too, also when its kind is none of ours.
	claim := sign(t, stranger, 30634, 207, "", nostr.Tag{"d", "task"}, nostr.Tag{"e", issue.Event.ID})
	p.accepted(claim, sign(t, owner, 1111, 208, "", nostr.Tag{"A", claim.Coordinate().String()}))
	// Ephemeral events pass through.
	ephemeral := sign(t, owner, 21000, 209, "", repo)
	p.accepted(ephemeral)
	require.Empty(t, p.ids(`{"kinds":[21000]}`))
	p.refused(sign(t, owner, 21000, 209, ""), notRelated)

	require.Len(t, p.ids(`{"#a":["`+coordinate(t, owner, longName)+`"]}`), 1, "found by its long coordinate")
	require.Empty(t, p.ids(`{"#e":["`+repo[1]+`"]}`))
	require.Len(t, p.ids(`{"#A":["`+repo[1]+`"]}`), 1, "a and A are different tags")
}

func TestTimes(t *testing.T) {
	p := dial(t, run(t, rules()).URL())
	now := time.Now().Unix()
	p.accepted(announce(t, owner, "repo", 1))
	repo := nostr.Tag{"a", coordinate(t, owner, "repo")}
	p.refused(sign(t, owner, 1621, now+3600, "", repo), "invalid: created_at lies in the future")
	p.accepted(sign(t, owner, 1621, now+60, "a clock that is fast", repo))
	p.refused(sign(t, owner, 1621, now, "", repo, nostr.Tag{"expiration", strconv.FormatInt(now-1, 10)}), "invalid: the event has expired")
}

func TestDeletions(t *testing.T) {
	p := dial(t, run(t, rules()).URL())
	p.accepted(announce(t, owner, "repo", 100))
	repo := nostr.Tag{"a", coordinate(t, owner, "repo")}
	mine := sign(t, stranger, 1621, 200, "mine", repo)
	other := sign(t, maintainer, 1621, 201, "other", repo)
	p.accepted(mine, other)

	p.refused(sign(t, stranger, 5, 300, "", nostr.Tag{"e", other.Event.ID}), notTheirs)
	p.refused(sign(t, stranger, 5, 300, "", nostr.Tag{"e", strings.Repeat("ab", 32)}), notRelated)
	p.refused(sign(t, stranger, 5, 300, "", repo), notTheirs)
	require.Len(t, p.ids(`{"kinds":[1621]}`), 2)

	// Of several targets only the author's own go.
	deletion := sign(t, stranger, 5, 300, "", nostr.Tag{"e", mine.Event.ID}, nostr.Tag{"e", other.Event.ID})
	p.accepted(deletion)
	require.Equal(t, []string{other.Event.ID}, p.ids(`{"kinds":[1621]}`))
	require.Equal(t, []string{deletion.Event.ID}, p.ids(`{"kinds":[5]}`))
	p.refused(mine, "blocked: this event has been deleted")

	// A deletion cannot be deleted.
	p.accepted(sign(t, stranger, 5, 301, "", nostr.Tag{"e", deletion.Event.ID}))
	require.Len(t, p.ids(`{"kinds":[5]}`), 2)
	p.refused(mine, "blocked: this event has been deleted")

	// By coordinate it covers versions up to its own time, and ends the repository here.
	p.accepted(sign(t, owner, 5, 150, "", repo))
	require.Empty(t, p.ids(`{"kinds":[30617]}`))
	p.refused(sign(t, stranger, 1621, 400, "", repo), notRelated)
	p.refused(announce(t, owner, "repo", 100), "blocked: this event has been deleted")
	p.refused(announce(t, owner, "repo", 150), "blocked: this event has been deleted")
	p.accepted(announce(t, owner, "repo", 151))
	p.accepted(sign(t, stranger, 1621, 400, "", repo))
}

func TestScopeSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	relay := openRelay(t, dir, rules())
	p := dial(t, relay.URL())
	p.accepted(announce(t, owner, "repo", 100))
	closeRelay(t, relay)

	relay = openRelay(t, dir, rules())
	p = dial(t, relay.URL())
	p.accepted(sign(t, owner, 1621, 1, "", nostr.Tag{"a", coordinate(t, owner, "repo")}))

	// Other rules apply at once, and to what is stored already.
	r := nip34.Rules{Domains: []string{"elsewhere.example"}}
	relay.SetRules(r)
	p.refused(sign(t, owner, 1621, 2, "", nostr.Tag{"a", coordinate(t, owner, "unknown")}), notRelated)
	p.refused(sign(t, owner, event.KindState, 2, "", nostr.Tag{"d", "repo"}), noRepo)
	closeRelay(t, relay)
}

func TestRequestsToVanish(t *testing.T) {
	p := dial(t, run(t, rules()).URL())
	a := announce(t, owner, "repo", 100)
	repo := nostr.Tag{"a", coordinate(t, owner, "repo")}
	old, took := sign(t, stranger, 1621, 100, "old", repo), sign(t, stranger, 1621, 102, "taken back", repo)
	p.accepted(a, old, took, sign(t, stranger, 5, 103, "", nostr.Tag{"e", took.Event.ID}))
	everywhere, here := nostr.Tag{"relay", "ALL_RELAYS"}, nostr.Tag{"relay", "wss://" + domain}
	p.refused(sign(t, stranger, 62, 150, "", nostr.Tag{"relay", "wss://relay.example"}), notRelated)
	p.refused(sign(t, maintainer, 62, 150, "", everywhere), notRelated)
	p.accepted(sign(t, stranger, 62, 150, "", here))
	for _, e := range []*event.Event{old, took, sign(t, stranger, 1621, 150, "", repo), sign(t, stranger, 5, 140, "", nostr.Tag{"e", old.Event.ID})} {
		p.refused(e, "blocked: this event has been deleted")
	}
	p.accepted(sign(t, stranger, 1621, 151, "after", repo))
	p.refused(sign(t, stranger, 1621, 100, "unrelated to anything"), "blocked: this event has been deleted")

	p.accepted(sign(t, owner, 62, 200, "", everywhere))
	p.refused(sign(t, owner, event.KindState, 300, "", nostr.Tag{"d", "repo"}), noRepo)
	p.refused(a, "blocked: this event has been deleted")
	p.accepted(announce(t, owner, "repo", 201))
}
