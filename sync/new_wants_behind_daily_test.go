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

func TestNewWantsDoNotWaitForTheDailyPass(t *testing.T) {
	s := newScript(t)
	var as []*nip34.Announcement
	var roots []selfsub.Root
	for i := range 10 {
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
