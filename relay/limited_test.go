package relay

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPrefixOf(t *testing.T) {
	for reason, want := range map[string]string{
		"rate-limited: slow down":                 "rate-limited",
		"ERROR: rate-limited: x":                  "rate-limited",
		"Rate-Limited:":                           "rate-limited",
		"ERROR: bad req: too many tags in filter": "",
		"auth-required: log in":                   "auth-required",
		"you are being rate-limited: wait":        "",
		"":                                        "",
		"error":                                   "",
		"ERROR: auth-required: requested filter requires it": "auth-required",
	} {
		require.Equal(t, want, prefixOf(reason), reason)
	}
}

func TestNoticeHints(t *testing.T) {
	for text, want := range map[string][2]bool{
		"ERROR: too many concurrent REQs":                                   {true, false},
		"ERROR: too many concurrent NEG requests":                           {true, false},
		"Subscription error: Maximum concurrent subscription count reached": {true, false},
		"too many subscriptions":                                            {true, false},
		"Rate limit exceeded":                                               {false, true},
		"you are rate-limited":                                              {false, true},
		"slow down, please":                                                 {false, true},
		"throttled":                                                         {false, true},
		"too many requests":                                                 {false, true},
		"welcome":                                                           {false, false},
		"ERROR: bad msg: unparseable message":                               {false, false},
	} {
		tooMany, rate := noticeHints(text)
		require.Equal(t, want, [2]bool{tooMany, rate}, text)
	}
}

func TestBucket(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	b := newBucket(1200, 0, now)
	for range bucketBurst {
		_, ok := b.ready(now)
		require.True(t, ok)
		b.take(false)
	}
	at, ok := b.ready(now)
	require.False(t, ok)
	require.InDelta(t, 50, at.Sub(now).Milliseconds(), 2, "20 a second")
	_, ok = b.ready(at)
	require.True(t, ok)

	for range 20 {
		b.halve(at)
	}
	b.take(false)
	require.InDelta(t, leastPerMinute, b.perMinute, 0.001)
	at2, ok := b.ready(at)
	require.False(t, ok)
	require.Greater(t, at2.Sub(at), 9*time.Second)

	b.refill(at.Add(10 * time.Minute))
	require.InDelta(t, 2*leastPerMinute, b.perMinute, 0.001, "doubled in ten minutes")
	for i := range 100 {
		b.refill(at.Add(time.Duration(20+10*i) * time.Minute))
	}
	require.InDelta(t, 1200, b.perMinute, 0.001)
	require.InDelta(t, bucketBurst, b.tokens, 0.001)

	free := newBucket(1200, 0, now)
	free.free = true
	for range 10 * bucketBurst {
		free.take(true)
	}
	_, ok = free.ready(now)
	require.True(t, ok)
	_, ok = free.backgroundReady(now)
	require.True(t, ok)
	free.halve(now)
	_, ok = free.ready(now)
	require.True(t, ok, "one at least")
	free.take(false)
	at, ok = free.ready(now)
	require.False(t, ok)
	require.InDelta(t, 100, at.Sub(now).Milliseconds(), 2, "10 a second from then on")

	slow := newBucket(3, 0, now)
	slow.halve(now)
	require.InDelta(t, 3, slow.perMinute, 0.001, "a slower one is left alone")
}
