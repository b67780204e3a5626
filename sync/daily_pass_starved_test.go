package sync

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

func TestTheDailyPassEndsWhereSubscriptionsAreEndedEveryHalfHour(t *testing.T) {
	s := newScript(t)
	var as []*nip34.Announcement
	var roots []selfsub.Root
	for i := range 4 {
		a := announce("alice", "tool"+strconv.Itoa(i), t0, nil, one)
		as = append(as, a)
		for j := range 1000 {
			roots = append(roots, root(fmt.Sprint(i, "/", j), a.Ref))
		}
	}
	s.picture(as, roots...)
	l := relay.AssumedLimits()
	l.Subscriptions = 200
	s.report(relay.Up{ID: s.conn(one), At: s.now, Limits: l})
	s.settleAll(one)
	s.elapse(7 * time.Second)
	require.Equal(t, Connected, s.phase(one))
	asked, closed := map[relay.BatchID]time.Time{}, s.now
	for range 36 * 60 {
		s.elapse(time.Minute)
		s.mark(one)
		if s.now.Sub(closed) >= 30*time.Minute {
			closed = s.now
			s.report(relay.Closed{ID: s.conn(one), At: s.now, Sub: "l0", Reason: "error: idle"})
		}
		for _, b := range s.pending(one) {
			wait := 10 * time.Second
			if b.Background {
				wait = 40 * time.Minute
			}
			if at, ok := asked[b.ID]; !ok {
				asked[b.ID] = s.now
			} else if s.now.Sub(at) >= wait {
				s.settle(b)
			}
		}
	}
	require.True(t, s.e.relays[one].lastFull.After(t0.Add(time.Hour)), "a daily pass has ended in a day and a half")
}
