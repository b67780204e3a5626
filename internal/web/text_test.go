package web

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCut(t *testing.T) {
	tests := []struct {
		in   string
		n    int
		want string
	}{
		{"", 3, ""},
		{"abc", 3, "abc"},
		{"abcd", 3, "abc…"},
		{"äöüß", 3, "äöü…"},
		{"a\nb\x00c", 5, "a\ufffdb\ufffdc"},
		{"a\u202eb\u200bc\u2066", 9, "a\ufffdb\ufffdc\ufffd"},
		{"bad \xff utf-8", 20, "bad \ufffd utf-8"},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, cut(tt.in, tt.n), tt.in)
	}
	require.Len(t, []rune(cut(strings.Repeat("語", 1000), 10)), 11)
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 1234567: "1,234,567", -5: "-5", -123456: "-123,456"} {
		require.Equal(t, want, count(n))
	}
}

func TestSpans(t *testing.T) {
	tests := []struct {
		d           time.Duration
		span, brief string
	}{
		{-time.Second, "0s", "0s"},
		{400 * time.Millisecond, "0s", "0s"},
		{59 * time.Second, "59s", "59s"},
		{61 * time.Second, "1m 1s", "1m"},
		{time.Hour, "1h 0m", "1h"},
		{26*time.Hour + 59*time.Minute, "1d 2h", "1d"},
	}
	for _, tt := range tests {
		require.Equal(t, tt.span, span(tt.d))
		require.Equal(t, tt.brief, brief(tt.d))
	}
	require.Equal(t, moment{}, ago(time.Time{}, now))
	require.Equal(t, moment{}, ahead(now, now))
	require.Equal(t, moment{Text: "in 40s", Exact: "2026-10-03 14:05:49 UTC"}, ahead(now.Add(40*time.Second), now))
}

func TestTerse(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 0: "0 s", 45 * time.Second: "45 s", 5 * time.Minute: "5 min", 320 * time.Second: "5 min 20 s",
		time.Hour: "1 h", time.Hour + 10*time.Minute + 5*time.Second: "1 h 10 min", 26 * time.Hour: "26 h",
	} {
		require.Equal(t, want, terse(d))
	}
}

func FuzzCut(f *testing.F) {
	f.Add(hostile, 10)
	f.Add("\xf0\x9f\x98", 2)
	f.Fuzz(func(t *testing.T, s string, n int) {
		if n < 0 || n > 1000 {
			return
		}
		out := cut(s, n)
		require.LessOrEqual(t, len([]rune(out)), n+1)
		require.NotContains(t, out, "\n")
		require.Equal(t, out, strings.ToValidUTF8(out, "?"))
	})
}
