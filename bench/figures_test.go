package main

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStretchTellsWaitingFromWorking(t *testing.T) {
	start := time.Unix(100, 0)
	at := func(ms ...int) []time.Time {
		var out []time.Time
		for _, m := range ms {
			out = append(out, start.Add(time.Duration(m)*time.Millisecond))
		}
		return out
	}
	whole, waiting := stretch(start, at(100, 400, 5400, 5500, 6000, 6501), 500*time.Millisecond)
	require.Equal(t, 6501*time.Millisecond, whole)
	require.Equal(t, 5501*time.Millisecond, waiting, "a gap of exactly the pause is none")
	whole, waiting = stretch(start, nil, time.Second)
	require.Zero(t, whole)
	require.Zero(t, waiting)
}

func TestQuantile(t *testing.T) {
	var times []time.Duration
	for i := range 1000 {
		times = append(times, time.Duration(i+1))
	}
	require.EqualValues(t, 500, quantile(times, 0.5))
	require.EqualValues(t, 990, quantile(times, 0.99))
	require.EqualValues(t, 1000, quantile(times, 1))
	require.EqualValues(t, 1, quantile(times[:1], 0.99))
}

func TestFiguresShowMediansAndMisses(t *testing.T) {
	var fs figures
	for _, v := range []float64{9, 1, 5} {
		fs.add("a", "speed", "1/s", v, atLeast(6))
		fs.add("a", "size", "MiB", v, atMost(5))
	}
	fs.add("b", "size", "MiB", 2, nil)
	fs.add("b", "size", "MiB", 3, nil)
	require.Len(t, fs, 3)
	require.InDelta(t, 5, fs[0].Median, 0)
	require.True(t, fs[0].Missed)
	require.False(t, fs[1].Missed, "as much as it may be")
	require.InDelta(t, 2.5, fs[2].Median, 0)
	require.True(t, fs.missed())
	require.False(t, fs[1:].missed())

	var out bytes.Buffer
	require.NoError(t, fs.writeTable(&out, machine{CPU: "x", Cores: 2}))
	require.Regexp(t, `(?m)^a +speed +5 +1 +9 +1/s +>= 6 +missed`, out.String())
	require.Regexp(t, `(?m)^b +size +2.50 +2 +3 +MiB`, out.String())
}

func TestProcessFigures(t *testing.T) {
	cpu, err := cpuOf([]byte("7 (a ) b) S 1 7 7 0 -1 4194560 1 0 0 0 150 25 0 0 20 0 9 0 1 2 3"))
	require.NoError(t, err)
	require.Equal(t, 1750*time.Millisecond, cpu)
	for _, bad := range []string{"", "7 (a", "7 (a) S 1 2", "7 (a) S 1 7 7 0 -1 4194560 1 0 0 0 x 25 0 0"} {
		_, err := cpuOf([]byte(bad))
		require.ErrorIs(t, err, errStat)
	}
	status := []byte("Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t 1024 kB\nEmpty:\n")
	require.EqualValues(t, 2048, statusField(status, "VmHWM"))
	require.EqualValues(t, 0, statusField(status, "VmPeak"))
	require.EqualValues(t, 0, statusField(status, "Empty"))

	u, err := readUsage(os.Getpid())
	require.NoError(t, err)
	require.Positive(t, u.rss)
	require.GreaterOrEqual(t, u.peak, u.rss)
	require.Positive(t, u.switches)
}

func TestMetricsAreReadAndSummed(t *testing.T) {
	m := parseMetrics("# HELP x y\n# TYPE x gauge\nx{relay=\"ws://a b\"} 2\nx{relay=\"c\"} 3\nxy 7\ngo_goroutines 12\nbad\n\n")
	require.InDelta(t, 5, m.sum("x"), 0)
	require.InDelta(t, 7, m.sum("xy"), 0)
	require.InDelta(t, 12, m["go_goroutines"], 0)
	require.Len(t, m, 4)
}

func TestEveryRelayIsNamedByTwoOwners(t *testing.T) {
	urls := make([]string, 100)
	for i := range urls {
		urls[i] = hexID(i)
	}
	owners := map[string]map[int]bool{}
	for repo := range 10 {
		names := named(urls, repo, 20)
		require.Len(t, names, 20)
		for _, u := range names {
			if owners[u] == nil {
				owners[u] = map[int]bool{}
			}
			owners[u][owner(repo)] = true
		}
	}
	require.Len(t, owners, 100)
	for u, by := range owners {
		require.Len(t, by, 2, u)
	}
}
