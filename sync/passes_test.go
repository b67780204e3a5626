package sync

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

// thousands is a relay with so many repos of a thousand roots, all live and settled.
func thousands(t *testing.T, repos int) (*script, []*nip34.Announcement) {
	s := newScript(t)
	var as []*nip34.Announcement
	var roots []selfsub.Root
	for i := range repos {
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
	return s, as
}

func TestTheDailyPassEndsWhereSubscriptionsAreEndedEveryHalfHour(t *testing.T) {
	s, _ := thousands(t, 4)
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

func TestNewWantsDoNotWaitForTheDailyPass(t *testing.T) {
	s, as := thousands(t, 10)
	for s.phase(one) == Connected {
		s.elapse(time.Minute)
		if s.phase(one) == Connected {
			s.settleAll(one)
		}
	}
	require.Len(t, s.pending(one), s.cfg.OpenBatches, "the daily pass, at a tenth of the budget")
	s.facts(selfsub.Facts{Roots: []selfsub.Root{root("new", as[0].Ref)}, Picture: 1})
	require.Contains(t, tagValues(s.pending(one), "e"), id("new").String())
}

func TestALayoutThatBytesBoundIsNotPackedForEver(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	var roots []selfsub.Root
	for i := range 2000 {
		roots = append(roots, root(strconv.Itoa(i), a.Ref))
	}
	s.picture(anns(a), roots...)
	l := relay.AssumedLimits()
	l.Subscriptions, l.MessageBytes = 400, 4096
	s.report(relay.Up{ID: s.conn(one), At: s.now, Limits: l})
	s.settleAll(one)
	require.Equal(t, Connected, s.phase(one))
}

func TestAnErrorOfTheLedgerWakesEveryPassThatWaits(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	w := s.e.repos[a.Ref].wants[one]
	r := s.e.relays[one]
	s.elapse(2 * time.Hour)
	// a want that becomes bare while the daily pass asks the ledger too
	p, q := &pass{kind: daily, wants: []*want{w}, stage: passRecall}, &pass{kind: around, wants: []*want{w}, stage: passRecall}
	require.False(t, s.e.recallFor(p, w, s.now))
	require.False(t, s.e.recallFor(q, w, s.now))
	*r.slot(daily), *r.slot(around) = p, q
	s.e.Take()
	s.e.Recalled(s.e.lastRecall, Recalled{}, errors.New("down"), s.now)
	s.take()
	s.elapse(10 * time.Minute)
	s.settleAll(one)
	require.Nil(t, *r.slot(around))
	require.Nil(t, *r.slot(daily))
}

func TestAWantListedAgainDuringTheLookIsLookedAround(t *testing.T) {
	s := newScript(t, func(c *Config) { c.Bootstrap = append(c.Bootstrap, one) })
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a), root("r", a.Ref))
	s.up(one)
	r := s.e.relays[one]
	s.ledger.Replies = []event.ID{id("reply")}
	for r.look == nil {
		p := s.pending(one)
		require.NotEmpty(t, p)
		s.settle(p[0])
	}
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(time.Second), nil, two)), Picture: 1})
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(2*time.Second), nil, one)), Picture: 1})
	looks := 0
	for range 100 {
		p := s.pending(one)
		if len(p) == 0 {
			break
		}
		if _, ok := tagValues(p[:1], "e")[id("reply").String()]; ok {
			looks++
		}
		s.settle(p[0])
	}
	require.Equal(t, 2, looks)
}

func TestTheLedgerIsAskedAfterTheLastAnswerOfTheRelay(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one, two)
	s.picture(anns(a))
	s.up(one)
	s.up(two)
	s.settleAll(one)
	s.elapse(4 * time.Minute)
	require.Equal(t, Connected, s.phase(one))
	s.ledger.Replies = []event.ID{id("reply")} // what two has brought
	seen := false
	for range 100 {
		open := s.pending(two)
		if len(open) == 0 {
			break
		}
		_, ok := tagValues(open, "e")[id("reply").String()]
		seen = seen || ok
		s.settle(open[0])
	}
	require.True(t, seen, "what tags the reply is asked too")
}
