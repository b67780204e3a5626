package relay

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

const loginSecret = "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa"

func newTestLogin(t *testing.T) *Login {
	l, err := NewLogin(loginSecret, "ws://127.0.0.1:7777", "wss://git.example.com")
	require.NoError(t, err)
	return l
}

func TestLoginTakesOnlyKeys(t *testing.T) {
	for _, secret := range []string{"", "ab", strings.Repeat("0", 64), strings.Repeat("x", 64)} {
		_, err := NewLogin(secret, "ws://a.example")
		require.Error(t, err, secret)
	}
	require.NotContains(t, newTestLogin(t).String(), loginSecret[:8])
}

// A relay behind a proxy compares the name in the answer with its public one.
func TestLoginUnderEachName(t *testing.T) {
	s := loginState{login: newTestLogin(t)}
	now := time.Unix(1_700_000_000, 0)
	require.True(t, s.may(now), "before the challenge")

	msg, err := s.challenged("c1", now)
	require.NoError(t, err)
	first := readLogin(t, msg)
	require.Equal(t, [2]string{"ws://127.0.0.1:7777", "c1"}, first.names)
	again, err := s.challenged("c1", now)
	require.NoError(t, err)
	require.Nil(t, again, "the same challenge is answered once")

	ours, _, _ := s.judged(event.ID{1}, true, "", now)
	require.False(t, ours, "of some other event")
	ours, msg, err = s.judged(first.id, false, "incorrect or missing relay tag", now)
	require.NoError(t, err)
	require.True(t, ours)
	second := readLogin(t, msg)
	require.Equal(t, [2]string{"wss://git.example.com", "c1"}, second.names)

	ours, msg, err = s.judged(second.id, true, "", now.Add(time.Second))
	require.NoError(t, err)
	require.True(t, ours)
	require.Nil(t, msg)
	require.True(t, s.in())
	require.True(t, s.may(now), "sent before the login")
	require.False(t, s.may(now.Add(2*time.Second)), "refused in spite of it")
}

func TestLoginThatIsRefusedUnderEveryName(t *testing.T) {
	s := loginState{login: newTestLogin(t)}
	now := time.Unix(1_700_000_000, 0)
	msg, err := s.challenged("c1", now)
	for range 2 {
		require.NoError(t, err)
		require.NotNil(t, msg)
		_, msg, err = s.judged(readLogin(t, msg).id, false, "restricted: not you", now)
	}
	require.NoError(t, err)
	require.Nil(t, msg)
	require.Equal(t, "restricted: not you", s.refused)
	require.False(t, s.may(now))

	for n := range 2 * maxLogins {
		msg, err = s.challenged(string(rune('A'+n)), now)
		require.NoError(t, err)
	}
	require.Nil(t, msg, "not for ever")
}

func TestLoginWithoutKeySaysNothing(t *testing.T) {
	var s loginState
	msg, err := s.challenged("c1", time.Time{})
	require.NoError(t, err)
	require.Nil(t, msg)
	require.False(t, s.may(time.Time{}))
}

type readLoginResult struct {
	id    event.ID
	names [2]string
}

func readLogin(t *testing.T, msg []byte) readLoginResult {
	t.Helper()
	text := strings.TrimSuffix(strings.TrimPrefix(string(msg), `["AUTH",`), "]")
	e, err := event.Parse([]byte(text), event.Limits{})
	require.NoError(t, err)
	require.True(t, e.Verify())
	require.Equal(t, event.KindAuth, e.Kind)
	return readLoginResult{e.ID, [2]string{e.Tags.Find("relay")[1], e.Tags.Find("challenge")[1]}}
}
