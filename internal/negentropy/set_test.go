package negentropy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

func TestSealSortsAndDropsDuplicates(t *testing.T) {
	b := NewBuilder()
	b.Add(7, event.ID{2})
	b.Add(-5, event.ID{9}) // no such time on the wire
	b.Add(7, event.ID{1})
	b.Add(7, event.ID{2})
	b.Add(6, event.ID{3})
	b.Add(math.MaxInt64, event.ID{4})
	require.Equal(t, 6, b.Len())
	s := b.Seal()
	var got []event.ID
	for _, k := range s.slice(0, s.Len()) {
		got = append(got, event.ID(*k.id()))
	}
	require.Equal(t, []event.ID{{9}, {3}, {1}, {2}, {4}}, got)
	require.Equal(t, 5, s.Len())
	require.Zero(t, b.Len(), "the items were given away")
}

func TestKeysAreSorted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.OneOf(rapid.IntRange(0, 200), rapid.IntRange(0, 5000), rapid.IntRange(0, 3*blockKeys)).Draw(t, "keys")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		at := rapid.IntRange(0, len(key{})-2).Draw(t, "first byte that differs")
		step := rapid.SampledFrom([]int{1, 64, 256}).Draw(t, "values of a byte")
		var list keys
		want := make([]key, n)
		for i := range want {
			for b := at; b < min(at+3, len(key{})); b++ {
				want[i][b] = byte(random.IntN(step))
			}
			list.add(want[i])
		}
		all := func() []key {
			s := Set{items: list}
			return s.slice(0, list.n)
		}
		require.True(t, slices.Equal(want, all()))
		slices.SortFunc(want, func(a, b key) int { return bytes.Compare(a[:], b[:]) })
		list.sort(0, n, 0)
		require.True(t, slices.Equal(want, all()))
		list.compact()
		want = slices.Compact(want)
		require.True(t, slices.Equal(want, all()))
		list.add(key{1})
		require.True(t, slices.Equal(slices.Concat(want, []key{{1}}), all()), "it can go on")
	})
}

// A fingerprint is the sum of the ids as little-endian numbers modulo 2^256 and the number of ids, hashed.
func TestFingerprintIsTheProtocols(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 300).Draw(t, "items")
		items := row(n, 4)
		if n > 2 {
			for i := range items[1].id {
				items[1].id[i], items[2].id[i] = 0xff, 0xff // carries from end to end
			}
			items[2].id[0] = 0xfe
		}
		s := setOf(items)
		n = s.Len()
		lo := rapid.IntRange(0, n).Draw(t, "lo")
		hi := rapid.IntRange(lo, n).Draw(t, "hi")
		total := new(big.Int)
		for _, k := range s.slice(lo, hi) {
			id := slices.Clone(k.id()[:])
			slices.Reverse(id)
			total.Add(total, new(big.Int).SetBytes(id))
		}
		total.Mod(total, new(big.Int).Lsh(big.NewInt(1), 256))
		text := total.FillBytes(make([]byte, 32))
		slices.Reverse(text)
		if hi-lo >= 128 {
			text = append(text, 0x80|byte((hi-lo)>>7))
		}
		text = append(text, byte(hi-lo)&0x7f)
		hash := sha256.Sum256(text)
		require.Equal(t, hash[:16], func() []byte { f := s.fingerprint(lo, hi); return f[:] }())
	})
}

func TestBetweenIsTheShortestBound(t *testing.T) {
	for _, c := range []struct {
		name     string
		a, b     key
		wantSize uint8
	}{
		{"other times", keyOf(1, []byte{9}), keyOf(2, []byte{1}), 0},
		{"first byte", keyOf(1, []byte{1, 5}), keyOf(1, []byte{2, 5}), 1},
		{"third byte", keyOf(1, []byte{1, 5, 6}), keyOf(1, []byte{1, 5, 7}), 3},
		{"last byte", keyOf(1, make([]byte, 32)), keyOf(1, append(make([]byte, 31), 1)), 32},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := between(&c.a, &c.b)
			require.Equal(t, c.wantSize, got.size)
			require.Negative(t, c.a.compare(&got.key))
			require.LessOrEqual(t, got.key.compare(&c.b), 0)
		})
	}
}

func TestNumbersAndBoundsAreReadAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64().Draw(t, "number")
		r := reader{rest: appendVarint(nil, n)}
		got, err := r.varint()
		require.NoError(t, err)
		require.Equal(t, n, got)

		times := rapid.SliceOfN(rapid.Uint64Max(forever-1), 0, 5).Draw(t, "times")
		slices.Sort(times)
		size := rapid.IntRange(0, 32).Draw(t, "bytes of an id")
		w := newWriter()
		var want []bound
		for i, at := range times {
			b := bound{key: keyOf(at, slices.Repeat([]byte{byte(i)}, size)), size: uint8(size)}
			want = append(want, b)
			w.head(&b, modeSkip)
		}
		w.head(&infinite, modeSkip)
		want = append(want, infinite)
		r, err = read(w.buf)
		require.NoError(t, err)
		for _, b := range want {
			p, err := r.next()
			require.NoError(t, err)
			require.Equal(t, b, p.end)
		}
		require.False(t, r.more())
	})
}

func TestTheFirstMessage(t *testing.T) {
	require.Equal(t, "6100000200", hex.EncodeToString(New(setOf(nil), DefaultLimits()).Start()),
		"an empty side asks for all ids")
	require.Less(t, len(New(setOf(row(10_000, 10_000)), DefaultLimits()).Start()), 1000)
}

func TestSmallFramesAreNotTakenLiterally(t *testing.T) {
	require.Equal(t, MinFrame, Limits{Frame: 1}.frame())
	require.Equal(t, math.MaxInt, Limits{}.frame())
	answer, err := setOf(row(1000, 1)).Answer(New(setOf(nil), Limits{}).Start(), 1)
	require.NoError(t, err)
	require.Greater(t, len(answer), MinFrame/2)
	require.LessOrEqual(t, len(answer), MinFrame)
}

// While one reconciliation runs, another may use the same set.
func TestASetServesMany(t *testing.T) {
	set, theirs := setOf(row(5000, 3)), row(6000, 3)
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			require.Len(t, reconcile(t, set, DefaultLimits(), ours(theirs, 60_000)).needs, 1000)
		})
	}
}
