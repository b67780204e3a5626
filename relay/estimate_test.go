package relay

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestTimeLeftIsToldAndLogged(t *testing.T) {
	core, logs := observer.New(zapcore.InfoLevel)
	w := newSlowWorld(t, paced(&limiter{rate: 1.0 / 60, burst: 15}), func(o *PublisherOptions) { o.Log = zap.New(core) })
	w.observe(announced(repo("a", 1, "x", benchStart)))
	require.Zero(t, w.c.left())
	w.feed(1, issues("i", 1000)...)
	w.run(2 * time.Hour)
	for range 5 {
		w.run(time.Hour)
		rest := 1000 - len(w.accepted)
		require.Equal(t, rest, w.c.toGive())
		require.InEpsilon(t, time.Duration(rest)*time.Minute, w.c.left(), 0.25)
	}
	warned := logs.FilterMessage("own relay limits the rate").All()
	require.Len(t, warned, 1)
	require.Equal(t, zapcore.WarnLevel, warned[0].Level)
	require.Contains(t, warned[0].ContextMap()["hint"], "docs/how-to/own-relay.md")
	told := logs.FilterMessage("own relay limits the rate, events wait").All()
	require.InDelta(t, 7, len(told), 1, "hourly")
	require.NotZero(t, told[6-1].ContextMap()["left"])

	w.own = willing
	w.run(24 * time.Hour)
	require.Len(t, w.accepted, 1000)
	require.Zero(t, w.c.toGive())
	require.Zero(t, w.c.left())
	require.LessOrEqual(t, len(logs.FilterMessage("own relay limits the rate, events wait").All()), 12, "nothing is told when nothing waits")
}

func TestSpeedCountsTheTimeInWhichThereIsSomethingToGive(t *testing.T) {
	var s speed
	now := benchStart
	s.note(now, 0, true)
	require.Zero(t, s.perSecond())
	for range 20 {
		now = now.Add(10 * time.Second)
		s.note(now, 1, true)
	}
	require.InDelta(t, 0.1, s.perSecond(), 1e-9)
	s.note(now, 0, false)
	now = now.Add(time.Hour)
	s.note(now, 0, true)
	require.InDelta(t, 0.1, s.perSecond(), 1e-9, "an idle hour says nothing")
	for range 200 {
		now = now.Add(time.Minute)
		s.note(now, 1, true)
	}
	require.InDelta(t, 1.0/60, s.perSecond(), 1e-3, "what was long ago counts no more")
}
