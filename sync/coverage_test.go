package sync

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A coverage behaves like a set of numbers, survives its stored form, and stays small when filled in order.
func TestCoverageIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Coverage
		set := map[uint32]bool{}
		for range rapid.IntRange(0, 12).Draw(t, "adds") {
			from := rapid.Uint32Range(0, 60).Draw(t, "from")
			s := Span{from, from + rapid.Uint32Range(0, 20).Draw(t, "len")}
			c.Add(s)
			for n := s.From; n < s.To; n++ {
				set[n] = true
			}
		}
		data, err := c.MarshalBinary()
		require.NoError(t, err)
		var back Coverage
		require.NoError(t, back.UnmarshalBinary(data))

		const total = 90
		missing := map[uint32]bool{}
		for _, s := range back.Missing(total) {
			for n := s.From; n < s.To; n++ {
				missing[n] = true
			}
		}
		covered := map[uint32]bool{}
		for _, s := range back.Spans() {
			for n := s.From; n < s.To; n++ {
				covered[n] = true
			}
		}
		for n := range uint32(total) {
			require.Equal(t, set[n], c.Has(n), "Has %d", n)
			require.Equal(t, set[n], covered[n], "Spans %d", n)
			require.Equal(t, !set[n], missing[n], "Missing %d", n)
		}
		require.Equal(t, len(missing) > 0, back.Incomplete(total))
	})
}

func TestCoverageFilledInOrderHasNoGaps(t *testing.T) {
	var c Coverage
	for n := uint32(0); n < 1000; n += 100 {
		c.Add(Span{n, n + 100})
	}
	require.Equal(t, Coverage{Count: 1000}, c)
}

func FuzzCoverage(f *testing.F) {
	f.Add([]byte{10, 2, 3})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, data []byte) {
		var c Coverage
		if c.UnmarshalBinary(data) != nil {
			return
		}
		back, err := c.MarshalBinary()
		require.NoError(t, err)
		var again Coverage
		require.NoError(t, again.UnmarshalBinary(back))
		require.Equal(t, c, again)
		for _, g := range c.Gaps {
			require.Less(t, g.From, g.To)
			require.LessOrEqual(t, g.To, c.Count)
		}
	})
}
