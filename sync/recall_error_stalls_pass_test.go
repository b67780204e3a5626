package sync

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

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
