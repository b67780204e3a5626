package nip34

import (
	"fmt"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

func refs(d string, authors ...int) []event.Ref {
	var out []event.Ref
	for _, k := range authors {
		out = append(out, repo(k, d))
	}
	return out
}

// member is an announcement that names maintainers and a relay of its author, but not us.
func member(t testing.TB, author int, at int64, d string, maintainers ...int) *Announcement {
	t.Helper()
	return announce(t, author, at, nostr.Tag{"d", d}, nostr.Tag{"relays", fmt.Sprintf("wss://r%d.example", author)}, named(maintainers...))
}

func root(t testing.TB, author int, at int64, d string, maintainers ...int) *Announcement {
	t.Helper()
	return announce(t, author, at, listing(t, author, d, named(maintainers...))...)
}

func requireRepo(t *testing.T, x *Index, ref event.Ref, members []event.Ref, relays ...relayurl.URL) {
	t.Helper()
	r, ok := x.Repo(ref)
	require.True(t, ok)
	require.Equal(t, ref, r.Ref)
	require.Equal(t, members, r.Coordinates)
	require.Equal(t, relays, r.Relays)
	for _, m := range members {
		require.True(t, x.Covers(m))
		require.Contains(t, x.RootsOf(m), ref)
	}
}

func TestIndexLaterOwner(t *testing.T) {
	x := NewIndex(Rules{Domains: []string{ours}})
	third := member(t, 3, 1, "x", 4, 1) // names the owner back: a cycle
	second := member(t, 2, 1, "x", 3)
	require.Empty(t, x.Add(third))
	require.Empty(t, x.Add(second))
	require.False(t, x.Accepts(second))
	require.False(t, x.AcceptsState(key(2), "x"))
	require.Equal(t, 2, x.Len())

	owner := root(t, 1, 1, "x", 2)
	require.True(t, x.Accepts(owner))
	require.Equal(t, Changes{Repos: refs("x", 1), Joined: refs("x", 1, 2, 3, 4)}, x.Apply([]*Announcement{owner}, nil))
	requireRepo(t, x, repo(1, "x"), refs("x", 1, 2, 3, 4), "wss://r1.example", "wss://r2.example", "wss://r3.example")
	require.True(t, x.Accepts(second))
	require.True(t, x.Accepts(third))
	require.True(t, x.AcceptsState(key(4), "x"), "named, without an announcement of its own")
	require.False(t, x.AcceptsState(key(4), "y"))
	require.True(t, x.Covers(event.Ref{Kind: event.KindState, PubKey: key(3), D: "x"}))
	require.False(t, x.Covers(event.Ref{Kind: event.KindIssue, PubKey: key(3), D: "x"}))
	_, ok := x.Repo(repo(2, "x"))
	require.False(t, ok, "a maintainer's announcement is no repo of its own")
	require.False(t, x.Accepts(member(t, 3, 1, "y", 1)), "another identifier")
}

func TestIndexFewerMaintainers(t *testing.T) {
	x := NewIndex(Rules{Domains: []string{ours}})
	x.Add(member(t, 2, 1, "x", 3))
	x.Add(member(t, 3, 1, "x", 5))
	x.Add(root(t, 1, 1, "x", 2, 4))
	require.Equal(t, Changes{Repos: refs("x", 1), Left: refs("x", 2, 3, 5)}, x.Apply([]*Announcement{root(t, 1, 2, "x", 4)}, nil))
	requireRepo(t, x, repo(1, "x"), refs("x", 1, 4), "wss://r1.example")
	require.False(t, x.Accepts(member(t, 2, 9, "x")))

	require.Nil(t, x.Add(root(t, 1, 1, "x", 2)), "an older version")
	require.Nil(t, x.Add(member(t, 2, 2, "x", 3, 4)), "nobody names it any more")
	require.Equal(t, refs("x", 1), x.Add(root(t, 1, 3, "x", 2)))
	requireRepo(t, x, repo(1, "x"), refs("x", 1, 2, 3, 4, 5), "wss://r1.example", "wss://r2.example", "wss://r3.example")
}

func TestIndexNoLongerListed(t *testing.T) {
	x := NewIndex(Rules{Domains: []string{ours}})
	x.Add(root(t, 1, 1, "x", 2))
	x.Add(root(t, 2, 1, "x"))
	require.Equal(t, refs("x", 1, 2), x.Roots())
	gone := member(t, 1, 2, "x", 2)
	require.True(t, x.Accepts(gone), "the version that ends the listing is in scope")
	require.Equal(t, Changes{Repos: refs("x", 1), Left: refs("x", 1)}, x.Apply([]*Announcement{gone}, nil))
	require.Equal(t, refs("x", 2), x.Roots())
	require.False(t, x.Accepts(gone))
	require.Equal(t, refs("x", 2), x.Remove(repo(2, "x")))
	require.Nil(t, x.Remove(repo(2, "x")))
	require.Nil(t, x.Remove(repo(7, "never")))
	require.Empty(t, x.Roots())
	require.False(t, x.Covers(repo(2, "x")))
}

func TestIndexTie(t *testing.T) {
	a, b := root(t, 1, 5, "x", 2), root(t, 1, 5, "x", 3)
	if b.Supersedes(a) {
		a, b = b, a
	}
	for _, order := range [][]*Announcement{{a, b}, {b, a}} {
		x := NewIndex(Rules{Domains: []string{ours}})
		for _, ann := range order {
			x.Add(ann)
		}
		have, ok := x.Newest(repo(1, "x"))
		require.True(t, ok)
		require.Same(t, a, have, "the lower id")
		require.Nil(t, x.Add(a), "again")
	}
}

func TestIndexDenied(t *testing.T) {
	x := NewIndex(Rules{Domains: []string{ours}, DenyAuthors: map[event.PubKey]bool{key(2): true}, DenyRepos: map[event.Ref]bool{repo(3, "x"): true}})
	x.Add(member(t, 2, 1, "x", 5))
	x.Add(member(t, 3, 1, "x", 6))
	x.Add(root(t, 2, 2, "x", 7))
	x.Add(root(t, 1, 1, "x", 2, 3, 4))
	requireRepo(t, x, repo(1, "x"), refs("x", 1, 4), "wss://r1.example")
	require.False(t, x.Accepts(root(t, 2, 3, "x")))
	require.False(t, x.AcceptsState(key(3), "x"))

	// Key 5 was named by a version that is replaced.
	require.Equal(t, Changes{Repos: refs("x", 1, 2), Joined: refs("x", 2, 3, 6, 7)}, x.SetRules(Rules{Domains: []string{ours}}))
	requireRepo(t, x, repo(1, "x"), refs("x", 1, 2, 3, 4, 7, 6), "wss://r1.example", "wss://r2.example", "wss://r3.example")
}

func TestIndexRelays(t *testing.T) {
	relays := func(from, to int) nostr.Tag {
		tag := nostr.Tag{"relays", "wss://" + ours}
		for i := from; i < to; i++ {
			tag = append(tag, fmt.Sprintf("wss://s%d.example/", i))
		}
		return tag
	}
	own := func(u relayurl.URL) bool { return u == "wss://s0.example" }
	x := NewIndex(Rules{Domains: []string{ours}, OwnURLs: own})
	x.Add(announce(t, 2, 1, nostr.Tag{"d", "x"}, relays(4, 30)))
	x.Add(announce(t, 1, 1, listing(t, 1, "x", named(2), relays(0, 6))...))
	r, ok := x.Repo(repo(1, "x"))
	require.True(t, ok)
	require.Len(t, r.Relays, 20)
	require.Equal(t, relayurl.URL("wss://r1.example"), r.Relays[0])
	require.Equal(t, relayurl.URL("wss://s1.example"), r.Relays[1], "our own URLs are left out")
	require.Equal(t, relayurl.URL("wss://s6.example"), r.Relays[6], "each relay once")
	require.Equal(t, relayurl.URL("wss://s19.example"), r.Relays[19])

	r.Relays[0], r.Coordinates[0] = "wss://changed.example", repo(9, "x")
	requireRepo(t, x, repo(1, "x"), refs("x", 1, 2), append([]relayurl.URL{"wss://r1.example"}, r.Relays[1:]...)...)
	require.Equal(t, refs("x", 1), x.SetRules(Rules{Domains: []string{ours}, RelaysPerRepo: 2}).Repos)
	requireRepo(t, x, repo(1, "x"), refs("x", 1, 2), "wss://r1.example", "wss://s0.example")
}

// TestIndexBounds: what strangers can make us hold for one repo is bounded, and what is cut off is farthest from the
// owner.
func TestIndexBounds(t *testing.T) {
	// A tree: the owner names 10, each of them 200, nobody twice.
	x := NewIndex(Rules{Domains: []string{ours}})
	var first []int
	for i := range 10 {
		first = append(first, 2+i)
		var second []int
		for j := range MaxMaintainers {
			second = append(second, 100+i*MaxMaintainers+j)
		}
		x.Add(member(t, 2+i, 1, "x", second...))
	}
	x.Add(root(t, 1, 1, "x", first...))
	r, _ := x.Repo(repo(1, "x"))
	require.Len(t, r.Coordinates, MaxMembers)
	require.Equal(t, refs("x", first...), r.Coordinates[1:11])
	require.Len(t, r.Relays, 11, "members over the bound are not followed, those within it are")

	// A thicket: members name each other, so few members take many looks.
	x = NewIndex(Rules{Domains: []string{ours}})
	var crowd []int
	for i := range 100 {
		crowd = append(crowd, 2+i)
	}
	for _, k := range crowd {
		x.Add(member(t, k, 1, "x", append([]int{1000 + k}, crowd...)...))
	}
	x.Add(root(t, 1, 1, "x", crowd...))
	r, _ = x.Repo(repo(1, "x"))
	require.Len(t, r.Coordinates, 1+100+(MaxNamed-100+99)/100)
}

func TestIndexBatch(t *testing.T) {
	x := NewIndex(Rules{Domains: []string{ours}})
	old, next := root(t, 1, 1, "x", 2), root(t, 1, 2, "x", 3)
	ch := x.Apply([]*Announcement{next, old, member(t, 3, 1, "x", 4), root(t, 1, 1, "y")}, nil)
	require.Equal(t, append(refs("x", 1), refs("y", 1)...), ch.Repos)
	requireRepo(t, x, repo(1, "x"), refs("x", 1, 3, 4), "wss://r1.example", "wss://r3.example")

	// A version that is put in the place of a removed newer one.
	ch = x.Apply([]*Announcement{old}, refs("x", 1))
	require.Equal(t, Changes{Repos: refs("x", 1), Joined: refs("x", 2), Left: refs("x", 3, 4)}, ch)
	require.Equal(t, Changes{}, x.Apply(nil, nil))
}
