package sync

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
)

// What a first sync brings is no gap; what a pass over confirmed wants brings newly is one.
func TestWhatACatchUpFindsIsCounted(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	gaps := s.e.metrics.gaps.WithLabelValues(string(one))
	s.up(one)
	settle := func(found ...event.ID) {
		s.settle(s.pending(one)[0], found...)
		s.settleAll(one)
	}
	settle(id("a"), id("b"))
	s.elapse(time.Minute)
	require.Zero(t, testutil.ToFloat64(gaps))
	s.mark(one)
	s.down(one)
	s.elapse(time.Minute)
	s.up(one)
	settle(id("c"), id("d"), id("e"))
	require.InDelta(t, 3, testutil.ToFloat64(gaps), 0)
}

// What is asked around the repos, and what a rotation polls, is not live: nothing of it was missed.
func TestOnlyWhatIsLiveCanBeMissed(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	s.mark(one)
	gaps := s.e.metrics.gaps.WithLabelValues(string(one))
	r := s.e.relays[one]
	count := func(k passKind, asks kind) float64 {
		before := testutil.ToFloat64(gaps)
		b := &batch{remote: r, pass: &pass{kind: k}, groups: []*group{{kind: asks, parts: make([]part, 1)}}}
		s.e.settle(&ask{batch: b, slots: []slot{{group: b.groups[0]}}}, relay.Settled{New: 2}, s.now)
		return testutil.ToFloat64(gaps) - before
	}
	for _, k := range []passKind{catchUp, daily} {
		for _, asks := range []kind{askAnnouncements, askStates, askCoords, askRoots} {
			require.InDelta(t, 2, count(k, asks), 0)
		}
		for _, asks := range []kind{askReplies, askDeletions, askLacks} {
			require.Zero(t, count(k, asks))
		}
	}
	for _, k := range []passKind{around, rotateHot, rotateWarm} {
		require.Zero(t, count(k, askRoots))
	}
}
