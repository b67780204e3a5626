package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ngit-sync/ngit-sync/internal/corpus"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

func drawReferences(rt *rapid.T) event.References {
	var r event.References
	for range rapid.IntRange(0, 4).Draw(rt, "ids") {
		r.IDs = append(r.IDs, event.ID(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(rt, "id")))
	}
	for range rapid.IntRange(0, 4).Draw(rt, "refs") {
		r.Refs = append(r.Refs, event.Ref{
			Kind: rapid.IntRange(0, 65535).Draw(rt, "kind"), PubKey: event.PubKey(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(rt, "key")),
			D: string(rapid.SliceOf(rapid.Byte()).Draw(rt, "d")),
		})
	}
	return r
}

func TestReferencesComeBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		want := drawReferences(rt)
		got, err := unpackReferences(packReferences(want))
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func FuzzUnpackReferences(f *testing.F) {
	f.Add(packReferences(event.References{}))
	f.Add(packReferences(event.References{IDs: []event.ID{{1}}, Refs: []event.Ref{{Kind: 30617, D: "x:y"}, {}}}))
	for _, raw := range corpus.Events() {
		e, err := event.Parse(raw, event.DefaultLimits())
		require.NoError(f, err)
		f.Add(packReferences(e.References()))
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := unpackReferences(b)
		if err != nil {
			return
		}
		again, err := unpackReferences(packReferences(r))
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}

func TestKeysComeBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		keys := rapid.SliceOf(rapid.Int64()).Draw(rt, "keys")
		require.Equal(t, append([]int64{}, keys...), unpackKeys(packKeys(keys)))
	})
}

// The keys are in databases out there.
func TestTagKeyIsFixed(t *testing.T) {
	require.Equal(t, int64(-9074988032289452348), tagKey("e", "x"))
	require.NotEqual(t, tagKey("e", "x"), tagKey("E", "x"))
	require.NotEqual(t, tagKey("d", "x"), tagKey(addressTag, "x"))
}

func TestTimesAreRoundedDown(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 999_999_999, time.UTC)
	require.Equal(t, at.Truncate(time.Millisecond).UnixMilli(), millis(at), "a cursor never moves ahead")
	require.Nil(t, millis(time.Time{}))
}
