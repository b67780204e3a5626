package sync

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

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
