package main

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// asked are the sorts of historic questions (DESIGN §5), each with what tells it from the others.
var asked = map[string]func(f nostr.Filter) bool{
	"announcements": func(f nostr.Filter) bool {
		return slices.Equal(f.Kinds, []int{event.KindAnnouncement}) && len(f.Tags) == 0
	},
	"states": func(f nostr.Filter) bool {
		return slices.Equal(f.Kinds, []int{event.KindState}) && len(f.Tags["d"]) > 0
	},
	"coordinates, a": func(f nostr.Filter) bool { return len(f.Tags["a"]) > 0 },
	"coordinates, A": func(f nostr.Filter) bool { return len(f.Tags["A"]) > 0 },
	"roots, e":       func(f nostr.Filter) bool { return len(f.Tags["e"]) > 0 && f.Kinds == nil },
	"roots, E":       func(f nostr.Filter) bool { return len(f.Tags["E"]) > 0 && f.Kinds == nil },
	"quotes":         func(f nostr.Filter) bool { return len(f.Tags["q"]) > 0 && f.Kinds == nil },
	"replies":        func(f nostr.Filter) bool { return len(f.Tags["e"]) > 0 && slices.Contains(f.Kinds, 1985) },
	"deletions": func(f nostr.Filter) bool {
		return slices.Equal(f.Kinds, []int{event.KindDeletion, event.KindVanish}) && len(f.Authors) > 0
	},
	"ids": func(f nostr.Filter) bool { return len(f.IDs) > 0 },
}

// Whatever is asked, on every relay and in every flow of two days: history with a limit, live without since, no empty list, and no
// kind that is nobody's business.
func TestEveryFilterOnTheWireIsAsItMayBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const paged, native = "ws://paged.example.com", "ws://native.example.com"
		w := newWorld(t)
		alice, bob := newAuthor(1), newAuthor(2)
		old := thread(alice, "tool", time.Now().Add(-240*time.Hour), 40, paged, native)
		note := bob.sign(1, time.Now().Add(-50*time.Hour), nostr.Tag{"t", "quoted"})
		quoting := bob.sign(event.KindComment, time.Now().Add(-49*time.Hour), nostr.Tag{"E", old[2].ID}, nostr.Tag{"e", old[2].ID}, nostr.Tag{"q", note.ID})
		old = append(old, note, quoting)
		slip(w.own, old[:30]...)
		one := w.remote("paged.example.com", relaytest.Options{Events: old, PageCap: 20})
		two := w.remote("native.example.com", relaytest.Options{Events: old, PageCap: 20, Negentropy: relaytest.Negentropy{Speak: true}})
		w.cfg.Sync.Bootstrap = []relayurl.URL{paged, native}
		w.start()
		defer w.close(one, two)
		w.connected(paged, native)
		w.arrive(10*time.Minute, old...)
		late := thread(alice, "other", time.Now(), 3, paged, native)
		one.Publish(late...) // new wants
		w.arrive(10*time.Minute, late...)
		one.Drop() // a quick reconnect
		two.Drop()
		missed := alice.issue("tool", time.Now().Add(-100*time.Hour), "missed")
		slip(two, missed)
		w.arrive(50*time.Hour, missed)

		seen := map[string]bool{}
		for name, r := range map[string]*relaytest.Relay{"own": w.own, "paged": one, "native": two} {
			require.NotEmpty(t, r.Requests(), name)
			for _, req := range r.Requests() {
				require.NotEmpty(t, req.Filters, name)
				for _, f := range req.Filters {
					require.True(t, f.LimitZero || f.Limit > 0, "%s: without a limit: %s", name, f)
					require.False(t, f.LimitZero && f.Since != nil, "%s: live with since: %s", name, f)
					mayBe(t, f)
					for sort, is := range asked {
						seen[sort] = seen[sort] || !f.LimitZero && name != "own" && is(f)
					}
					seen["survey"] = seen["survey"] || !f.LimitZero && name == "own" && len(f.Tags["A"]) > 0
				}
			}
			for _, req := range r.Reconciliations() {
				mayBe(t, req.Filters[0])
			}
		}
		require.NotEmpty(t, two.Reconciliations())
		for sort := range asked {
			require.True(t, seen[sort], "%s were asked for", sort)
		}
		require.True(t, seen["survey"])
	})
}

// mayBe wants no empty list and no kind that is never synced.
func mayBe(t *testing.T, f nostr.Filter) {
	t.Helper()
	require.False(t, f.IDs != nil && len(f.IDs) == 0 || f.Authors != nil && len(f.Authors) == 0 || f.Kinds != nil && len(f.Kinds) == 0, "an empty list: %s", f)
	for _, values := range f.Tags {
		require.NotEmpty(t, values, "an empty list: %s", f)
	}
	require.False(t, slices.ContainsFunc(f.Kinds, event.NeverSynced), "a forbidden kind: %s", f)
}
