package sync

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/heaptest"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

// TestMemoryAtTheLimits brings several times as much as a limit allows. A limit that takes long to reach is looked at by a part. The table in
// docs/reference/limits.md is compared with this one.
func TestMemoryAtTheLimits(t *testing.T) {
	tests := []struct {
		name  string
		part  int64
		most  int64
		build func(e *Engine)
	}{
		{"roots that wait for their parent", 1, 3 << 20, func(e *Engine) {
			for i := range 3 * orphansKept {
				e.addRoot(id(fmt.Sprint("root", i)), 1, event.References{IDs: []event.ID{id(fmt.Sprint("nobody", i))}}, t0)
			}
		}},
		{"ancestors noted in all", 1, 28 << 20, func(e *Engine) {
			r := &repo{}
			for i := range 2 * lacksKept {
				r.lackCount = 0 // as if they came over a hundred days
				e.lack(r, id(fmt.Sprint(i)), t0)
			}
		}},
		{"deletions that the engine remembers", 1, 8 << 20, func(e *Engine) {
			for i := range 3*withdrawnKept - 1 {
				e.withdrawn.note(relay.Deletion{IDs: []event.ID{id(fmt.Sprint(i))}})
			}
		}},
		{"roots that wait for a live place at a hundred relays", 1, 4 << 20, func(e *Engine) {
			for n := range 100 {
				r := e.newRemote(relayurl.URL(fmt.Sprintf("wss://%d.example.com", n)), Pinned)
				for i := range 5 * offersKept {
					r.offer(filters.Value(i))
				}
			}
		}},
		{"relays that wait for a place", 10, 10 << 20, func(e *Engine) {
			e.election.most = candidatesKept / 10
			for i := range 1500 {
				r := e.newRepo(event.RepoRef(key(fmt.Sprint(i)), "x"), nil)
				urls := someRelays(fmt.Sprint(i), 20)
				for _, u := range urls {
					e.name(u, r.ref.PubKey)
				}
				e.nominate(r, urls)
			}
		}},
		{"announcements on the own relay out of scope, at the engine", 16, 8 << 20, func(e *Engine) {
			for i := range 100 {
				a := announcement("elsewhere.example.com", "bob", fmt.Sprint(i), t0, nil)
				for j := range 200 {
					a.Clone = append(a.Clone, fmt.Sprint("https://example.com/", i, "/", j, "/", strings.Repeat("x", 500)))
				}
				e.Facts(selfsub.Facts{Announcements: anns(a), Picture: 1}, t0)
				e.Take()
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(t)
			s.e.outside = nip34.NewForeign(foreignKept, foreignBytes/16)
			heaptest.Under(t, tt.most, func() any {
				tt.build(s.e)
				return s
			})
		})
	}
}
