package nip34

import (
	"maps"
	"slices"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// oracle holds the announcements and nothing else; every answer is worked out from scratch by other means than the
// index: reachability as a fixpoint, order by distance.
type oracle struct {
	rules  Rules
	newest map[event.Ref]*Announcement
}

func (o *oracle) add(a *Announcement) {
	have := o.newest[a.Ref]
	if have == nil || a.CreatedAt > have.CreatedAt || (a.CreatedAt == have.CreatedAt && a.ID.String() < have.ID.String()) {
		o.newest[a.Ref] = a
	}
}

func (o *oracle) denied(ref event.Ref) bool {
	return o.rules.DenyAuthors[ref.PubKey] || o.rules.DenyRepos[ref]
}

func (o *oracle) named(a *Announcement) bool {
	if o.denied(a.Ref) {
		return false
	}
	clone, relay := false, false
	for _, c := range a.Clone {
		clone = clone || c == "https://"+ours+"/"+mustNpub(a.Ref.PubKey)+"/"+a.Ref.D+".git"
	}
	for _, u := range a.Relays {
		relay = relay || u == "wss://"+ours
	}
	if clone && relay {
		return true
	}
	return slices.ContainsFunc(o.rules.Archive, func(r ArchiveRule) bool {
		return r.PubKey == a.Ref.PubKey && (r.Identifier == "" || r.Identifier == a.Ref.D)
	})
}

func mustNpub(pk event.PubKey) string { return ArchiveRule{PubKey: pk}.String() }

// repos gives every repo in scope by itself.
func (o *oracle) repos() map[event.Ref]Repo {
	out := map[event.Ref]Repo{}
	for ref, a := range o.newest {
		if !o.named(a) {
			continue
		}
		// Fixpoint of "named by a member"; the sort key is the path of tag positions from the owner, shortest first.
		paths := map[event.Ref][]int{ref: {}}
		for again := true; again; {
			again = false
			for from, path := range maps.Clone(paths) {
				m := o.newest[from]
				if m == nil {
					continue
				}
				for i, pk := range m.Maintainers {
					to := event.RepoRef(pk, ref.D)
					next := append(slices.Clone(path), i)
					if have, ok := paths[to]; !o.denied(to) && (!ok || comparePath(next, have) < 0) {
						paths[to], again = next, true
					}
				}
			}
		}
		r := Repo{Ref: ref, Announcement: a, Coordinates: slices.Collect(maps.Keys(paths))}
		slices.SortFunc(r.Coordinates, func(a, b event.Ref) int { return comparePath(paths[a], paths[b]) })
		for _, c := range r.Coordinates {
			if m := o.newest[c]; m != nil {
				for _, u := range m.Relays {
					if u != "wss://"+ours && !o.rules.OwnURLs(u) && !slices.Contains(r.Relays, u) {
						r.Relays = append(r.Relays, u)
					}
				}
			}
		}
		r.Relays = r.Relays[:min(len(r.Relays), o.rules.RelaysPerRepo)]
		out[ref] = r
	}
	return out
}

func comparePath(a, b []int) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return slices.Compare(a, b)
}

func covered(repos map[event.Ref]Repo) map[event.Ref]bool {
	out := map[event.Ref]bool{}
	for _, r := range repos {
		for _, c := range r.Coordinates {
			out[c] = true
		}
	}
	return out
}
