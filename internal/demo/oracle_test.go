package demo

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/embedded"
)

// A world of three relays, written by hand.
func TestExpectInAHandMadeWorld(t *testing.T) {
	s := newSource(7, "us.example")
	ann, bob, eve := s.identity(1), s.identity(2), s.identity(3)
	s.people = []identity{ann, bob, eve}
	a := newRelay("wss://a.example", "", traits{})
	b := newRelay("wss://b.example", "", traits{})
	c := newRelay("wss://c.example", "", traits{})
	at := func(n int) time.Time { return time.Unix(int64(1000+n), 0) }
	repo := nostr.Tag{"a", event.RepoRef(ann.pub, "repo").String()}
	fork := nostr.Tag{"a", event.RepoRef(bob.pub, "repo").String()}

	oldAnn := s.announce(ann, "repo", at(0), true, []*Relay{a})
	newAnn := s.announce(ann, "repo", at(1), true, []*Relay{a, b}, bob.pub)
	bobs := s.announce(bob, "repo", at(2), false, nil)
	eves := s.announce(eve, "repo", at(3), false, []*Relay{a})
	farAnn := s.announce(eve, "far", at(4), true, []*Relay{c})
	issue := s.sign(eve, 1621, at(10), "issue", repo)
	forkIssue := s.sign(eve, 1621, at(11), "to the maintainer's coordinate", fork)
	lost := s.sign(eve, 1621, at(12), "on a relay that the repository does not name", repo)
	note := s.sign(eve, 1, at(5), "quoted, but of no repository")
	comment := s.sign(ann, 1111, at(13), "comment", nostr.Tag{"E", issue.Event.ID}, nostr.Tag{"q", note.Event.ID})
	answer := s.sign(bob, 1111, at(14), "answer", nostr.Tag{"e", comment.Event.ID})
	taken := s.sign(eve, 1621, at(15), "taken back", repo)
	deletion := s.sign(eve, 5, at(16), "", nostr.Tag{"e", taken.Event.ID})
	vandal := s.sign(bob, 5, at(17), "", nostr.Tag{"e", issue.Event.ID})
	state := s.state(bob, "repo", at(20))
	oldState := s.state(bob, "repo", at(19))
	foreignState := s.state(eve, "repo", at(21))
	foreign := s.sign(bob, 1621, at(22), "", nostr.Tag{"a", event.RepoRef(eve.pub, "repo").String()})
	require.NoError(t, s.err)

	put(oldAnn, b)
	put(newAnn, a)
	put(bobs, b)
	put(eves, a)
	put(farAnn, b)
	put(issue, a, b)
	put(forkIssue, b)
	put(lost, c)
	put(note, b)
	put(comment, b)
	put(answer, a)
	put(taken, b)
	put(deletion, a)
	put(vandal, b)
	put(state, b)
	put(oldState, a)
	put(foreignState, a)
	put(foreign, a)

	of := func(relays ...*Relay) (out []contents) {
		for _, r := range relays {
			out = append(out, contentsOf(r))
		}
		return out
	}
	got := expect(of(a, b, c), []relayurl.URL{a.Name}, "us.example")
	want := map[event.ID][]relayurl.URL{
		newAnn.ID: {a.Name}, bobs.ID: {b.Name}, farAnn.ID: {b.Name},
		note.ID: {b.Name}, issue.ID: {a.Name, b.Name}, forkIssue.ID: {b.Name}, comment.ID: {b.Name}, answer.ID: {a.Name}, state.ID: {b.Name},
	}
	names := map[event.ID][]relayurl.URL{}
	for id, w := range got.Wanted {
		names[id] = w.On
	}
	require.Equal(t, want, names)
	require.Equal(t, map[event.ID]bool{deletion.ID: true, vandal.ID: true}, got.Optional)

	// Nothing is found from a relay that names nobody.
	require.Empty(t, expect(of(a, b, c), []relayurl.URL{c.Name}, "us.example").Wanted)
	// The domain is compared as a whole.
	require.Empty(t, expect(of(a, b, c), []relayurl.URL{a.Name}, "s.example").Wanted)
}

func TestExpectedOfTheWorld(t *testing.T) {
	w, err := wholeWorld()
	require.NoError(t, err)
	want := w.Expected()
	repos := map[string]bool{}
	for _, e := range want.Wanted {
		if e.Event.Kind == event.KindAnnouncement {
			repos[e.Event.D()+" by "+e.Event.Event.PubKey[:8]] = true
		}
		require.NotContains(t, []string{"Posted by mistake.", tooFar}, e.Event.Content)
	}
	require.Len(t, repos, 14+5, "the real ones, relay-tools and its fork, the one that moved, the long one, the one without a state")
	kinds := map[int]int{}
	for _, e := range want.Wanted {
		kinds[e.Event.Kind]++
	}
	require.Equal(t, 12+5, kinds[event.KindState])
	for _, kind := range []int{kindNote, kindReaction, kindLabel, kindZap, kindArticle} {
		require.GreaterOrEqual(t, kinds[kind], 10, "kind %d", kind)
	}
	require.Zero(t, kinds[kindRepost])
	byID := map[event.ID]*event.Event{}
	for _, r := range w.relays {
		for _, e := range r.store.All() {
			byID[e.ID] = e
		}
	}
	for id := range want.Optional {
		if e := byID[id]; stated(e.Kind) && e.Content != "Out of reach." {
			require.Equal(t, event.KindDeletion, e.Kind, "the rules leave nothing else of this world open")
		}
	}

	r := w.Check(nil)
	require.Len(t, want.Wanted, r.Wanted)
	require.Len(t, r.Missing, r.Wanted)
	for name, share := range r.From {
		require.Less(t, share.Wanted, r.Wanted, "%s has everything", name)
		require.Positive(t, share.Only, "%s has nothing that the others lack", name)
		require.Greater(t, share.Relay, share.Wanted, "%s has no noise", name)
	}
}

// Everything that lies anywhere in the world is thrown at an embedded relay, in a bad order, until it takes nothing more. What it
// holds then must be what the oracle expects: two readings of the rules that share no code.
func TestOracleAndEmbeddedRelayAgree(t *testing.T) {
	w := buildWorld(t, 3, 150)
	relay, err := embedded.Open(t.Context(), embedded.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0", Rules: nip34.Rules{Domains: []string{Domain}}})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, relay.Close(ctx))
	})
	var all []*event.Event
	for _, r := range w.relays {
		all = append(all, r.store.All()...)
	}
	slices.SortFunc(all, func(a, b *event.Event) int { return slices.Compare(a.ID[:], b.ID[:]) })
	all = slices.CompactFunc(all, func(a, b *event.Event) bool { return a.ID == b.ID })

	conn, _, err := websocket.Dial(t.Context(), relay.URL(), nil)
	require.NoError(t, err)
	defer func() { _ = conn.CloseNow() }()
	p := &peer{t: t, conn: conn}
	for len(all) > 0 {
		go func(batch []*event.Event) {
			for _, e := range batch {
				_ = conn.Write(context.Background(), websocket.MessageText, fmt.Appendf(nil, `["EVENT",%s]`, e.Event))
			}
		}(all)
		taken := map[string]bool{}
		for answers := 0; answers < len(all); {
			switch m := p.read(); {
			case m[0] == "AUTH":
			case m[2] == true:
				taken[m[1].(string)] = true
				answers++
			default:
				answers++
			}
		}
		if len(taken) == 0 {
			break
		}
		all = slices.DeleteFunc(slices.Clone(all), func(e *event.Event) bool { return taken[e.Event.ID] })
	}
	held, err := Contents(t.Context(), relay.URL())
	require.NoError(t, err)
	// A relay does not know how an event was found. What is beyond the depth of the daemon is not thrown at it by that.
	held = slices.DeleteFunc(held, func(e *event.Event) bool { return e.Content == tooFar })
	r := w.Check(held)
	require.Empty(t, r.Missing)
	require.Empty(t, r.Surplus)
	require.True(t, r.Complete())
	require.Equal(t, r.Wanted, r.Held)

	// One that is taken away is missed, and one too many is seen.
	missing := w.Check(slices.DeleteFunc(slices.Clone(held), func(e *event.Event) bool { return e.Kind == event.KindAnnouncement && e.D() == "ngit" }))
	require.Len(t, missing.Missing, 1)
	require.False(t, missing.Complete())
	require.False(t, w.Check(append(held, all[0])).Complete())
}

func TestContentsOfEveryRelay(t *testing.T) {
	w := startWorld(t)
	for _, r := range w.Relays() {
		held, err := Contents(t.Context(), r.URL())
		if r.traits.guarded {
			require.ErrorContains(t, err, "an author must be specified")
			continue
		}
		require.NoError(t, err)
		require.Len(t, held, r.Len(), r.Name)
	}
}
