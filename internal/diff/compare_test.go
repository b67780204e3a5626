package diff

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip19"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

const (
	domain = "git.example.com"
	begin  = int64(1_700_000_000)

	alice, bob, mallory = 1, 2, 3 // keys
)

// announce signs an announcement that lists the service, and names maintainers.
func announce(key int, d string, at int64, maintainers ...int) nostr.Event {
	npub, err := nip19.EncodePublicKey(relaytest.PublicKey(key))
	if err != nil {
		panic(err)
	}
	tags := []nostr.Tag{{"d", d}, {"clone", "https://" + domain + "/" + npub + "/" + d + ".git"}, {"relays", "wss://" + domain}}
	for _, m := range maintainers {
		tags = append(tags, nostr.Tag{"maintainers", relaytest.PublicKey(m)})
	}
	return relaytest.Event(key, event.KindAnnouncement, at, "", tags...)
}

func coordinate(key int, d string) string {
	return fmt.Sprintf("30617:%s:%s", relaytest.PublicKey(key), d)
}

func state(key int, d string, at int64) nostr.Event {
	return relaytest.Event(key, event.KindState, at, "", nostr.Tag{"d", d}, nostr.Tag{"refs/heads/main", "1"})
}

func issue(key int, coordinate string, at int64) nostr.Event {
	return relaytest.Event(key, event.KindIssue, at, "an issue", nostr.Tag{"a", coordinate})
}

func comment(key int, root nostr.Event, at int64) nostr.Event {
	return relaytest.Event(key, event.KindComment, at, "a comment", nostr.Tag{"E", root.ID}, nostr.Tag{"e", root.ID})
}

// compare runs Compare in virtual time between two relays.
func compare(t *testing.T, ownRelay, remoteRelay relaytest.Options) (Result, []*relaytest.Relay, error) {
	return compareBounded(t, ownRelay, remoteRelay, Options{})
}

func compareBounded(t *testing.T, ownRelay, remoteRelay relaytest.Options, o Options) (Result, []*relaytest.Relay, error) {
	var res Result
	var err error
	var relays []*relaytest.Relay
	synctest.Test(t, func(t *testing.T) {
		network := new(relaytest.Network)
		dialer := relay.NewDialer(relay.DialerOptions{DialContext: network.DialContext})
		conn := func(host string, o relaytest.Options) relay.ConnOptions {
			r := relaytest.Start(t, o)
			relays = append(relays, r)
			network.Add(host, r)
			return relay.ConnOptions{URL: relayurl.URL("ws://" + host), Trust: relay.Operator, Dialer: dialer}
		}
		o.Own, o.Remote, o.Rules = conn("own.example.com", ownRelay), conn("one.example.com", remoteRelay), nip34.Rules{Domains: []string{domain}}
		o.Remote.Negentropy = true
		res, err = Compare(t.Context(), o)
	})
	for _, r := range relays {
		require.Empty(t, r.Received(), "nothing is published")
	}
	return res, relays, err
}

// named gives the ids of a result by coordinate.
func named(res Result) map[string][]string {
	out := map[string][]string{}
	for _, r := range res.Repos {
		for _, e := range r.Events {
			out[r.Ref.String()] = append(out[r.Ref.String()], e.ID.String())
		}
	}
	return out
}

func ids(events ...nostr.Event) []string {
	var out []string
	for _, e := range events {
		out = append(out, e.ID)
	}
	return out
}

func together(lists ...[]nostr.Event) []nostr.Event {
	var out []nostr.Event
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

var dialects = map[string]relaytest.Negentropy{"reconciled": {Speak: true}, "paged": {}}

func TestWhatIsMissingIsNamedByRepository(t *testing.T) {
	tool := announce(alice, "tool", begin)
	both := []nostr.Event{tool, state(alice, "tool", begin+1)}
	for i := range int64(40) {
		root := issue(bob, coordinate(alice, "tool"), begin+10+i)
		both = append(both, root, comment(mallory, root, begin+100+i))
	}
	here := issue(bob, coordinate(alice, "tool"), begin+300)                                  // only the own relay has it
	lacking := []nostr.Event{comment(bob, here, begin+420), comment(bob, both[2], begin+410)} // newest first
	root := issue(mallory, coordinate(alice, "tool"), begin+400)                              // and so is its comment
	lacking = append([]nostr.Event{comment(bob, root, begin+430)}, append(lacking, root)...)  //
	other := announce(bob, "other", begin+2)                                                  // a repository that the own relay has never heard of
	others := []nostr.Event{issue(alice, coordinate(bob, "other"), begin+500), state(bob, "other", begin+3), other}
	foreign := []nostr.Event{
		relaytest.Event(mallory, event.KindAnnouncement, begin, "", nostr.Tag{"d", "foreign"}, nostr.Tag{"clone", "https://elsewhere.example.com/x.git"}),
		issue(alice, coordinate(mallory, "foreign"), begin),
	}
	for name, dialect := range dialects {
		t.Run(name, func(t *testing.T) {
			res, relays, err := compare(t, relaytest.Options{Events: append([]nostr.Event{here}, both...)},
				relaytest.Options{Events: together(both, lacking, others, foreign), Negentropy: dialect, PageCap: 25})
			require.NoError(t, err)
			require.Equal(t, map[string][]string{coordinate(alice, "tool"): ids(lacking...), coordinate(bob, "other"): ids(others...)}, named(res))
			require.Equal(t, len(lacking)+len(others), res.Events)
			require.Equal(t, 2, res.Compared)
			require.Empty(t, res.Incomplete)
			require.Zero(t, res.Superseded+res.Deleted+res.Invalid)
			require.Equal(t, event.KindAnnouncement, res.Repos[1].Events[2].Kind)
			if dialect.Speak {
				require.Less(t, relays[1].Sent(), 3*len(lacking)+3*len(others)+len(foreign)+5, "what both have is not downloaded")
			}
		})
	}
}

func TestEqualRelaysLackNothing(t *testing.T) {
	events := []nostr.Event{announce(alice, "tool", begin), state(alice, "tool", begin), issue(bob, coordinate(alice, "tool"), begin)}
	for name, dialect := range dialects {
		t.Run(name, func(t *testing.T) {
			res, _, err := compare(t, relaytest.Options{Events: events}, relaytest.Options{Events: events, Negentropy: dialect})
			require.NoError(t, err)
			require.Equal(t, Result{Known: 1, Compared: 1}, res)
		})
	}
}

// What the daemon would not publish is not missing.
func TestWhatIsOfNoUseHereIsNotMissing(t *testing.T) {
	tool := announce(alice, "tool", begin+10)
	own := []nostr.Event{tool, state(alice, "tool", begin+10)}
	by := func(key, kind int, at int64, tags ...nostr.Tag) nostr.Event {
		return relaytest.Event(key, kind, at, "", tags...)
	}
	repo := nostr.Tag{"a", coordinate(alice, "tool")}
	forged := issue(bob, repo[1], begin+20)
	forged.Sig = tool.Sig
	deleted, vanished := issue(bob, repo[1], begin+30), issue(mallory, repo[1], begin+31)
	kept := issue(alice, repo[1], begin+32)
	dead := announce(alice, "dead", begin)
	wanted := issue(alice, repo[1], begin+33)
	own = append(own, kept, dead,
		by(alice, event.KindDeletion, begin+100, nostr.Tag{"a", "30618:" + relaytest.PublicKey(alice) + ":dead"}),
		by(mallory, event.KindDeletion, begin+40, nostr.Tag{"e", wanted.ID}), // not his either
		by(bob, event.KindDeletion, begin+40, nostr.Tag{"e", deleted.ID}),
		by(mallory, event.KindDeletion, begin+40, nostr.Tag{"e", kept.ID}), // not his
		by(mallory, event.KindVanish, begin+41, nostr.Tag{"relay", "ALL_RELAYS"}),
	)
	theirs := []nostr.Event{
		announce(alice, "tool", begin), state(alice, "tool", begin), // older
		state(alice, "dead", begin+50),
		by(bob, event.KindState, begin+50, nostr.Tag{"d", "tool"}, repo), // no maintainer
		forged, deleted, vanished,
		by(bob, event.KindDeletion, begin+60, nostr.Tag{"e", kept.ID}, repo),           // not his, so of no effect
		by(bob, event.KindIssue, begin+61, repo, nostr.Tag{"-"}),                       // NIP-70
		by(bob, event.KindIssue, begin+62, repo, nostr.Tag{"expiration", "900000000"}), // NIP-40; a bubble begins in 2000
		by(bob, 20_000, begin+63, repo),
	}
	useful := by(alice, event.KindDeletion, begin+64, nostr.Tag{"e", kept.ID})
	for name, dialect := range dialects {
		t.Run(name, func(t *testing.T) {
			res, _, err := compare(t, relaytest.Options{Events: own}, relaytest.Options{Events: append(theirs, wanted, useful), Negentropy: dialect})
			require.NoError(t, err)
			require.Equal(t, map[string][]string{coordinate(alice, "tool"): ids(useful, wanted)}, named(res))
			require.Equal(t, [3]int{2, 3, 1}, [3]int{res.Superseded, res.Deleted, res.Invalid})
		})
	}
}

// The announcement that ends a listing is published to the own relay, which keeps the repository until then.
func TestARepositoryThatLeavesIsComparedWhileTheOwnRelayKeepsIt(t *testing.T) {
	tool := announce(alice, "tool", begin)
	leaves := relaytest.Event(alice, event.KindAnnouncement, begin+10, "", nostr.Tag{"d", "tool"})
	lost := issue(bob, coordinate(alice, "tool"), begin+5)
	for name, dialect := range dialects {
		t.Run(name, func(t *testing.T) {
			res, _, err := compare(t, relaytest.Options{Events: []nostr.Event{tool}},
				relaytest.Options{Events: []nostr.Event{leaves, lost}, Negentropy: dialect})
			require.NoError(t, err)
			require.Equal(t, 1, res.Compared)
			require.Equal(t, map[string][]string{coordinate(alice, "tool"): ids(leaves, lost)}, named(res))
		})
	}
}

// A repository that its owner has deleted here is not wanted, and neither is what others wrote about it.
func TestADeletedRepositoryIsNotMissing(t *testing.T) {
	tool, lib := announce(alice, "tool", begin), announce(alice, "lib", begin)
	about := func(at int64, repos ...string) nostr.Event {
		var tags []nostr.Tag
		for _, d := range repos {
			tags = append(tags, nostr.Tag{"a", coordinate(alice, d)})
		}
		return relaytest.Event(bob, event.KindIssue, at, "", tags...)
	}
	both := about(begin+2, "tool", "lib")
	newer := announce(alice, "lib", begin+5)
	gone := relaytest.Event(alice, event.KindDeletion, begin+9, "", nostr.Tag{"a", coordinate(alice, "tool")}, nostr.Tag{"e", newer.ID})
	res, _, err := compare(t, relaytest.Options{Events: []nostr.Event{lib, gone}},
		relaytest.Options{Events: []nostr.Event{tool, newer, about(begin+1, "tool"), both}})
	require.NoError(t, err)
	require.Equal(t, map[string][]string{coordinate(alice, "lib"): ids(both)}, named(res))
	require.Equal(t, 1, res.Events)
}

// Of several versions that only the remote relay has, the newest is missing, in whatever order they come.
func TestTheNewestVersionIsMissing(t *testing.T) {
	versions := []nostr.Event{state(bob, "tool", begin+3), state(bob, "tool", begin+4), state(bob, "tool", begin+2)}
	c := newComparison(Options{Rules: nip34.Rules{Domains: []string{domain}}, MostMissing: 10})
	tool := announce(alice, "tool", begin, bob)
	a, err := nip34.ParseAnnouncement(wrap(t, tool))
	require.NoError(t, err)
	c.tell(a)
	for _, v := range versions {
		c.found(wrap(t, v))
	}
	require.Equal(t, map[string][]string{coordinate(alice, "tool"): ids(versions[1])}, named(c.result()))
	require.Equal(t, 2, c.res.Superseded)
}

func wrap(t *testing.T, e nostr.Event) *event.Event {
	out, err := event.Wrap(e)
	require.NoError(t, err)
	return out
}

// An own relay that does not find what it has by its tags is asked by id.
func TestWhatTheOwnRelayHasAndDoesNotListIsNotMissing(t *testing.T) {
	tool := announce(alice, "tool", begin)
	events := []nostr.Event{tool, issue(bob, coordinate(alice, "tool"), begin)}
	res, _, err := compare(t, relaytest.Options{Events: events, Unindexed: "a"}, relaytest.Options{Events: events})
	require.NoError(t, err)
	require.Zero(t, res.Events)
}

func TestARelayThatDoesNotAnswerInFull(t *testing.T) {
	tool := announce(alice, "tool", begin)
	events := []nostr.Event{tool, issue(bob, coordinate(alice, "tool"), begin)}
	refuses := func(_ string, fs []nostr.Filter) string {
		for _, f := range fs {
			if len(f.Tags["a"]) > 0 {
				return "error: no such question"
			}
		}
		return ""
	}
	t.Run("remote", func(t *testing.T) {
		res, _, err := compare(t, relaytest.Options{Events: events[:1]}, relaytest.Options{Events: events, RefuseREQ: refuses})
		require.NoError(t, err)
		require.Len(t, res.Incomplete, 1)
		require.Contains(t, res.Incomplete[0], "ws://one.example.com did not answer in full")
	})
	t.Run("own", func(t *testing.T) {
		_, _, err := compare(t, relaytest.Options{Events: events[:1], RefuseREQ: refuses}, relaytest.Options{Events: events})
		require.ErrorContains(t, err, "the own relay did not answer in full")
	})
	t.Run("cut off", func(t *testing.T) {
		res, _, err := compare(t, relaytest.Options{Events: events[:1]}, relaytest.Options{Events: events, DropAfter: 4})
		require.NoError(t, err)
		require.NotEmpty(t, res.Incomplete)
	})
	t.Run("not there", func(t *testing.T) {
		_, _, err := compare(t, relaytest.Options{Events: events[:1]}, relaytest.Options{HandshakeStatus: 503})
		require.ErrorContains(t, err, "ws://one.example.com: ")
	})
}

// A second that fills a page is stepped over, and that is said.
func TestAFullSecondIsSaid(t *testing.T) {
	events := []nostr.Event{announce(alice, "tool", begin)}
	for range 30 {
		events = append(events, relaytest.Event(bob, event.KindIssue, begin, fmt.Sprint(len(events)), nostr.Tag{"a", coordinate(alice, "tool")}))
	}
	res, _, err := compare(t, relaytest.Options{Events: events[:1]}, relaytest.Options{Events: events, PageCap: 10})
	require.NoError(t, err)
	require.True(t, res.Gaps)
	require.Empty(t, res.Incomplete)
	require.Positive(t, res.Events)
}

func TestWhatIsNamedIsBounded(t *testing.T) {
	theirs := []nostr.Event{announce(alice, "tool", begin)}
	for i := range int64(30) {
		theirs = append(theirs, issue(bob, coordinate(alice, "tool"), begin+i))
	}
	res, _, err := compareBounded(t, relaytest.Options{}, relaytest.Options{Events: theirs}, Options{MostMissing: 10})
	require.NoError(t, err)
	require.Equal(t, 10, res.Events)
	require.Equal(t, []string{"more than 10 events are missing; the others were not looked for"}, res.Incomplete)
}

// Announcements of strangers fill no memory: those that are not ours are let go, which is said, and with too many of ours the comparison ends.
func TestAnnouncementsOfStrangersAreBounded(t *testing.T) {
	var foreign, ours []nostr.Event
	for i := range 60 {
		d := fmt.Sprint("repo", i)
		foreign = append(foreign, relaytest.Event(mallory, event.KindAnnouncement, begin, "", nostr.Tag{"d", d}))
		ours = append(ours, announce(alice, d, begin))
	}
	run := func(mine, theirs []nostr.Event) Result {
		res, _, err := compareBounded(t, relaytest.Options{Events: mine}, relaytest.Options{Events: theirs}, Options{MostBytes: 20_000})
		require.NoError(t, err)
		return res
	}
	res := run(nil, append(ours[:5:5], foreign[:10]...))
	require.Empty(t, res.Incomplete)
	require.Equal(t, 5, res.Events)
	res = run(nil, append(ours[:5:5], foreign...))
	require.Equal(t, []string{tooManyForeign}, res.Incomplete)
	require.Equal(t, 5, res.Events)
	var long []nostr.Event // more than fits, of which little is remembered
	for i := range 10 {
		long = append(long, relaytest.Event(mallory, event.KindAnnouncement, begin, strings.Repeat("x", 5000), nostr.Tag{"d", fmt.Sprint("repo", i)}))
	}
	res = run(nil, append(ours[:5:5], long...))
	require.Equal(t, []string{tooManyForeign}, res.Incomplete)
	require.Equal(t, 5, res.Events)
	res = run(foreign, ours[:5])
	require.Equal(t, []string{tooManyForeign}, res.Incomplete, "those of the own relay count too")
	require.Equal(t, 5, res.Events)
	res = run(nil, ours)
	require.Equal(t, []string{"ws://one.example.com has more announcements than are looked at"}, res.Incomplete)
	require.Less(t, res.Events, 60)
	require.Zero(t, res.Compared)
}

// The announcement that was let go named a maintainer's: what the own relay lacks of the maintainer's is not found, so nobody says that
// nothing is missing.
func TestWhatWasLetGoIsNotTakenForWhole(t *testing.T) {
	theirs := []nostr.Event{announce(bob, "tool", begin, alice)} // the page begins with the newest
	for i := range int64(60) {
		theirs = append(theirs, relaytest.Event(mallory, event.KindAnnouncement, begin+1+i, "", nostr.Tag{"d", fmt.Sprint("repo", i)}))
	}
	member := relaytest.Event(alice, event.KindAnnouncement, begin+100, "", nostr.Tag{"d", "tool"})
	res, _, err := compareBounded(t, relaytest.Options{Events: theirs[:1]}, relaytest.Options{Events: append(theirs, member)}, Options{MostBytes: 20_000})
	require.NoError(t, err)
	require.Equal(t, []string{member.ID}, named(res)[coordinate(bob, "tool")], "the own relay names its author")
	res, _, err = compareBounded(t, relaytest.Options{}, relaytest.Options{Events: append(theirs, member)}, Options{MostBytes: 20_000})
	require.NoError(t, err)
	require.NotContains(t, named(res)[coordinate(bob, "tool")], member.ID)
	require.Equal(t, []string{tooManyForeign}, res.Incomplete)
}

// More repositories than one step asks about.
func TestManyStepsAreCompared(t *testing.T) {
	var events, lacking []nostr.Event
	for i := range 130 {
		d := fmt.Sprint("repo", i)
		root := issue(bob, coordinate(alice, d), begin+int64(i))
		events = append(events, announce(alice, d, begin), root)
		lacking = append(lacking, comment(mallory, root, begin))
	}
	res, _, err := compare(t, relaytest.Options{Events: events}, relaytest.Options{Events: append(lacking, events...), Negentropy: relaytest.Negentropy{Speak: true}})
	require.NoError(t, err)
	require.Equal(t, 130, res.Compared)
	require.Equal(t, 130, res.Events)
	require.Len(t, res.Repos, 130)
	require.Empty(t, res.Incomplete)
}

// A relay that always answers, but late, does not keep a comparison: what was found is there, and that it is not all.
func TestAComparisonEndsInTime(t *testing.T) {
	var repos, events []nostr.Event
	for i := range 230 {
		d := fmt.Sprint("repo", i)
		repos = append(repos, announce(alice, d, begin))
		events = append(events, issue(bob, coordinate(alice, d), begin+int64(i)))
	}
	all := together(repos, events)
	run := func(ownRelay, remoteRelay relaytest.Options, timeout time.Duration) (Result, error) {
		res, _, err := compareBounded(t, ownRelay, remoteRelay, Options{Timeout: timeout})
		return res, err
	}
	t.Run("slow remote relay", func(t *testing.T) {
		res, err := run(relaytest.Options{Events: repos}, relaytest.Options{Events: all, Delay: 5 * time.Second}, 40*time.Second)
		require.NoError(t, err)
		require.True(t, res.TimeUp)
		require.Equal(t, [2]int{230, 100}, [2]int{res.Known, res.Compared})
		require.Equal(t, []string{"time is up: 100 of the 230 repositories that are known were compared"}, res.Incomplete)
		require.GreaterOrEqual(t, res.Events, 100)
		res, err = run(relaytest.Options{Events: repos}, relaytest.Options{Events: all, Delay: 5 * time.Second}, 0)
		require.NoError(t, err)
		require.Equal(t, [2]int{230, 230}, [2]int{res.Known, res.Compared})
		require.Equal(t, 230, res.Events)
	})
	t.Run("many pages of the own relay", func(t *testing.T) { // the rest of them is not waited for
		root := issue(bob, coordinate(alice, "repo0"), begin)
		mine := []nostr.Event{repos[0], root}
		for i := range int64(1000) {
			mine = append(mine, comment(bob, root, begin+i))
		}
		lacking := issue(bob, coordinate(alice, "repo0"), begin+1)
		res, err := run(relaytest.Options{Events: mine, PageCap: 10, MaxSubs: 2, SubsReason: "ERROR: too many concurrent REQs", Delay: 1500 * time.Millisecond}, relaytest.Options{Events: []nostr.Event{lacking}}, time.Minute)
		require.NoError(t, err)
		require.True(t, res.TimeUp)
		require.Equal(t, map[string][]string{coordinate(alice, "repo0"): {lacking.ID}}, named(res))
	})
	t.Run("slow own relay", func(t *testing.T) { // too slow to say that what seems to be missing is not there
		_, err := run(relaytest.Options{Events: repos, Delay: 5 * time.Second}, relaytest.Options{Events: all}, 40*time.Second)
		require.ErrorIs(t, err, ErrTimeUp)
		require.ErrorContains(t, err, "after 40s: 200 of the 230 repositories that are known were compared")
	})
}

func TestCompareEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(relaytest.Network)
		dialer := relay.NewDialer(relay.DialerOptions{DialContext: network.DialContext})
		network.Add("own.example.com", relaytest.Start(t, relaytest.Options{Silent: true}))
		network.Add("one.example.com", relaytest.Start(t, relaytest.Options{}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		conn := relay.ConnOptions{Trust: relay.Operator, Dialer: dialer}
		own, one := conn, conn
		own.URL, one.URL = "ws://own.example.com", "ws://one.example.com"
		_, err := Compare(ctx, Options{Own: own, Remote: one, Rules: nip34.Rules{Domains: []string{domain}}})
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
