package sync

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAncestorsGivenUpMakeRoom(t *testing.T) {
	s := newScript(t)
	a, b := announce("alice", "tool", t0, nil, one), announce("bob", "other", t0, nil, one)
	s.picture(anns(a, b))
	x, y := s.e.repos[a.Ref], s.e.repos[b.Ref]
	for i := range lacksKept {
		s.e.lack(x, id(strconv.Itoa(i)), t0.Add(time.Duration(i/lacksPerDay)*time.Second*0).Add(time.Duration(i/lacksPerDay)*24*time.Hour).Add(-200*24*time.Hour))
	}
	_ = y
	t.Log(len(s.e.lacking))
	for i := len(s.e.lacking); i < lacksKept; i++ {
		old := id("old" + strconv.Itoa(i))
		s.e.lacking[old] = []*repo{x}
		x.lacks[old] = t0.Add(-100 * 24 * time.Hour)
	}
	require.True(t, s.e.lack(y, id("new"), t0))
}
