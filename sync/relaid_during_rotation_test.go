package sync

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
)

func TestWhatBecomesLiveDuringARotationIsPolledByIt(t *testing.T) {
	s := warmRoots(t, +1)
	s.settleAll(one)
	for range 70 { // the first of them
		s.elapse(time.Minute)
		s.mark(one)
		s.settleAll(one)
	}
	r := s.e.relays[one]
	start := r.warmth.since
	for r.warmth.pass == nil {
		s.elapse(time.Minute)
		s.mark(one)
		for _, b := range s.pending(one) {
			if r.warmth.pass == nil || !b.Background {
				s.settle(b)
			}
		}
	}
	polled := map[filters.Value]bool{}
	for _, v := range s.e.repos[event.Ref{Kind: event.KindAnnouncement, PubKey: key("alice"), D: "tool"}].roots {
		polled[v] = !r.live.Has(filters.Roots, v)
	}
	s.report(relay.Foreign{ID: s.conn(one)}) // there is room for more
	s.settle(s.pending(one)[0])
	asked := map[string]int64{}
	for range 150 {
		for range 1000 {
			open := s.pending(one)
			if len(open) == 0 {
				break
			}
			for v, at := range tagValues(open[:1], "e") {
				if was, ok := asked[v]; !ok || at < was {
					asked[v] = at
				}
			}
			s.settle(open[0])
		}
		s.elapse(time.Minute)
		s.mark(one)
	}
	n := 0
	for v := range r.live.Values(filters.Roots) {
		if id := s.e.names.roots.names[v].String(); polled[v] {
			n++
			require.LessOrEqual(t, asked[id], start.Unix(), "nobody has asked since")
		}
	}
	require.NotZero(t, n)
}
