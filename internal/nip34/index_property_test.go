package nip34

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

const (
	people = 7
	ids    = 2
)

func genRules(t *rapid.T) Rules {
	r := Rules{
		Domains:       []string{ours},
		DenyAuthors:   map[event.PubKey]bool{},
		DenyRepos:     map[event.Ref]bool{},
		RelaysPerRepo: rapid.IntRange(1, 6).Draw(t, "cap"),
		OwnURLs:       func(u relayurl.URL) bool { return u == "wss://r0.example" },
	}
	someone := rapid.IntRange(0, people-1)
	for _, k := range rapid.SliceOfNDistinct(someone, 0, 2, rapid.ID).Draw(t, "archive") {
		r.Archive = append(r.Archive, ArchiveRule{PubKey: key(k), Identifier: rapid.SampledFrom([]string{"", "d0"}).Draw(t, "id")})
	}
	for _, k := range rapid.SliceOfNDistinct(someone, 0, 1, rapid.ID).Draw(t, "denied") {
		r.DenyAuthors[key(k)] = true
	}
	for _, k := range rapid.SliceOfNDistinct(someone, 0, 1, rapid.ID).Draw(t, "denied repo") {
		r.DenyRepos[repo(k, "d1")] = true
	}
	return r
}

func genAnnouncement(t *rapid.T, tb testing.TB, o *oracle) *Announcement {
	author := rapid.IntRange(0, people-1).Draw(t, "author")
	d := fmt.Sprintf("d%d", rapid.IntRange(0, ids-1).Draw(t, "d"))
	a := announce(tb, author, int64(rapid.IntRange(1, 6).Draw(t, "at")), listing(tb, author, d)...)
	switch rapid.IntRange(0, 3).Draw(t, "listing") {
	case 0:
		a.Clone = nil
	case 1:
		a.Relays = a.Relays[1:]
	}
	if old := o.newest[a.Ref]; old != nil && rapid.Bool().Draw(t, "same maintainers") {
		a.Maintainers = old.Maintainers
	} else {
		for _, k := range rapid.SliceOfN(rapid.IntRange(0, people-1), 0, 3).Draw(t, "maintainers") {
			if pk := key(k); pk != a.Ref.PubKey && !slices.Contains(a.Maintainers, pk) {
				a.Maintainers = append(a.Maintainers, pk)
			}
		}
	}
	for _, k := range rapid.SliceOfN(rapid.IntRange(0, 9), 0, 3).Draw(t, "relays") {
		if u := relayurl.URL(fmt.Sprintf("wss://r%d.example", k)); !slices.Contains(a.Relays, u) {
			a.Relays = append(a.Relays, u)
		}
	}
	a.ID[0] = byte(rapid.IntRange(0, 3).Draw(t, "id")) // ties in both directions
	return a
}

// TestIndexAgainstOracle: after any calls in any order the index says what a search from scratch says, and reports
// exactly the differences.
func TestIndexAgainstOracle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rules := genRules(rt)
		x := NewIndex(rules)
		o := &oracle{rules: rules, newest: map[event.Ref]*Announcement{}}
		before := map[event.Ref]Repo{}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			var ch Changes
			whole := true
			switch rapid.IntRange(0, 9).Draw(rt, "op") {
			case 0:
				ref := repo(rapid.IntRange(0, people-1).Draw(rt, "gone"), "d0")
				delete(o.newest, ref)
				ch, whole = Changes{Repos: x.Remove(ref)}, false
			case 1:
				o.rules = genRules(rt)
				ch = x.SetRules(o.rules)
			case 2, 3:
				var gone []event.Ref
				for _, k := range rapid.SliceOfN(rapid.IntRange(0, people-1), 0, 2).Draw(rt, "gone") {
					gone = append(gone, repo(k, "d0"))
					delete(o.newest, repo(k, "d0"))
				}
				batch := make([]*Announcement, rapid.IntRange(0, 5).Draw(rt, "batch"))
				for i := range batch {
					batch[i] = genAnnouncement(rt, t, o)
					o.add(batch[i])
				}
				ch = x.Apply(batch, gone)
			default:
				a := genAnnouncement(rt, t, o)
				o.add(a)
				ch, whole = Changes{Repos: x.Add(a)}, false
			}
			after := o.repos()
			requireSame(t, x, o, after)
			requireChanges(t, ch, whole, before, after)
			before = after
		}
		for ref := range maps.Clone(o.newest) {
			x.Remove(ref)
		}
		require.Empty(t, x.groups, "nothing is kept once nothing is known")
		require.Zero(t, x.Len())
	})
}

func requireSame(t *testing.T, x *Index, o *oracle, want map[event.Ref]Repo) {
	t.Helper()
	cover := covered(want)
	for author := range people {
		for id := range ids {
			ref := repo(author, fmt.Sprintf("d%d", id))
			got, ok := x.Repo(ref)
			exp, expOK := want[ref]
			require.Equal(t, expOK, ok, "repo %v", ref)
			require.Same(t, exp.Announcement, got.Announcement)
			require.Equal(t, exp.Coordinates, got.Coordinates)
			require.True(t, slices.Equal(exp.Relays, got.Relays), "%v, want %v", got.Relays, exp.Relays)
			require.Equal(t, cover[ref], x.Covers(ref))
			require.Equal(t, cover[ref], x.Covers(event.Ref{Kind: event.KindState, PubKey: ref.PubKey, D: ref.D}))
			require.Equal(t, cover[ref], x.AcceptsState(ref.PubKey, ref.D))
			var roots []event.Ref
			for root, r := range want {
				if slices.Contains(r.Coordinates, ref) {
					roots = append(roots, root)
				}
			}
			slices.SortFunc(roots, event.Ref.Compare)
			require.Equal(t, roots, x.RootsOf(ref))
			have, known := x.Newest(ref)
			require.Same(t, o.newest[ref], have)
			if known {
				require.Equal(t, o.named(have) || cover[ref], x.Accepts(have))
			}
		}
	}
	require.Equal(t, slices.SortedFunc(maps.Keys(want), event.Ref.Compare), append([]event.Ref(nil), x.Roots()...))
	require.Equal(t, len(o.newest), x.Len())
}

// requireChanges compares what was reported with what differs; Add and Remove report repos only.
func requireChanges(t *testing.T, ch Changes, whole bool, before, after map[event.Ref]Repo) {
	t.Helper()
	var repos, joined, left []event.Ref
	for ref, r := range after {
		if old, ok := before[ref]; !ok || old.Announcement != r.Announcement ||
			!slices.Equal(old.Coordinates, r.Coordinates) || !slices.Equal(old.Relays, r.Relays) {
			repos = append(repos, ref)
		}
	}
	for ref := range before {
		if _, ok := after[ref]; !ok {
			repos = append(repos, ref)
		}
	}
	slices.SortFunc(repos, event.Ref.Compare)
	require.Equal(t, repos, ch.Repos)
	if !whole {
		return
	}
	was, is := covered(before), covered(after)
	for ref := range is {
		if !was[ref] {
			joined = append(joined, ref)
		}
	}
	for ref := range was {
		if !is[ref] {
			left = append(left, ref)
		}
	}
	slices.SortFunc(joined, event.Ref.Compare)
	slices.SortFunc(left, event.Ref.Compare)
	require.Equal(t, joined, ch.Joined)
	require.Equal(t, left, ch.Left)
}
