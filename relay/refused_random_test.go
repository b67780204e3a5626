package relay

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// Whatever a relay refuses, a batch ends within bounds, and a filter that is called done has brought all but the values that
// were set aside.
func TestRefusalsOfAllSorts(t *testing.T) {
	for seed := uint64(480); seed < 520; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { refusalsFrom(t, seed) })
		})
	}
}

func refusalsFrom(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	one := func(n int) bool { return r.IntN(n) == 0 }
	var fs []nostr.Filter
	var events []nostr.Event
	for _, tag := range []string{"a", "A", "e"}[:1+r.IntN(3)] {
		more, brought := chunks(tag, 1+r.IntN(8), 1+r.IntN(30))
		fs, events = append(fs, more...), append(events, brought...)
	}
	r.Shuffle(len(fs), func(i, j int) { fs[i], fs[j] = fs[j], fs[i] })
	poison := map[string]bool{}
	if one(2) {
		for range r.IntN(4) {
			poison[events[r.IntN(len(events))].Content] = true
		}
	}
	maxFilters, maxBytes, needKinds, moody := 20, 60_000, one(4), one(5)
	if one(3) {
		maxFilters = 1 + r.IntN(9)
	}
	if one(3) {
		maxBytes = 5000 + r.IntN(2000)
	}
	barred, notes := one(2), one(2)
	guard := guarding(wantsAuthor, notes)
	var mood atomic.Uint64
	g := newRig(t, relaytest.Options{
		Events: events, Concurrent: one(2), PageCap: 20 + r.IntN(100),
		RefuseREQ: func(sub string, fs []nostr.Filter) string {
			if len(fs) > maxFilters || filters.MessageBytes(sub, fs) > maxBytes || (moody && mood.Add(1)%(5+seed%9) == 0) {
				return badReq
			}
			if reason := guard(sub, fs); needKinds && barred && reason != "" {
				return reason
			}
			for _, f := range fs {
				for _, values := range f.Tags {
					if slices.ContainsFunc(values, func(v string) bool { return poison[v] }) || (needKinds && f.Kinds == nil) {
						return badReq
					}
				}
			}
			return ""
		},
	}, nil)
	start := time.Now()
	g.ask(1, fs...)
	end := g.wait(1)
	require.Less(t, time.Since(start), time.Hour)
	require.LessOrEqual(t, len(g.relay.Requests()), 3*maxExtra)
	require.Zero(t, g.sink.held)
	require.Empty(t, g.relay.OpenSubs())

	aside := map[string]bool{}
	for _, e := range reported[Evidence](g) {
		if e.Tag != "" {
			require.True(t, moody || poison[e.Value] || (needKinds && barred && !notes && e.Tag == listKinds), "%+v", e)
			aside[e.Value] = true
		}
	}
	got := g.sink.ids(1)
	for i, f := range fs {
		if !moody && len(poison) == 0 {
			require.True(t, end.Filters[i].Done && !end.Filters[i].Failed, "%d: %s", i, end.Err)
		}
		if !end.Filters[i].Done {
			require.NotEmpty(t, end.Err)
			continue
		}
		for _, e := range events {
			if f.Matches(&e) && !aside[e.Content] {
				require.Contains(t, got, e.ID, "filter %d, %s", i, e.Content)
			}
		}
	}
}
