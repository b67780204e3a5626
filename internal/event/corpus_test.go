package event

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/corpus"
)

func TestCorpusIsValid(t *testing.T) {
	all := corpus.Events()
	require.Len(t, all, 296)
	for _, raw := range all {
		e, err := Parse(raw, DefaultLimits())
		require.NoError(t, err, "%s", raw)
		require.True(t, e.Verify(), "%s", raw)
		require.Equal(t, len(raw), e.Size)
		require.Equal(t, e.Event.ID, e.ID.String())
		require.Equal(t, e.Event.PubKey, e.PubKey.String())

		again, err := Wrap(*e.Event)
		require.NoError(t, err)
		require.Equal(t, e.ID, again.ID)
		out, err := e.MarshalJSON()
		require.NoError(t, err)
		require.Len(t, out, again.Size)
		back, err := Parse(out, DefaultLimits())
		require.NoError(t, err, "what we publish is what we read")
		require.Equal(t, e.Event, back.Event)
	}
}

func lines(t testing.TB, file string) (out [][]byte) {
	t.Helper()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	for line := range bytes.Lines(raw) {
		out = append(out, bytes.TrimSpace(line))
	}
	return out
}

// invalid are what look like events and are none.
func invalid(t testing.TB) (out [][]byte) {
	t.Helper()
	for _, line := range lines(t, "testdata/invalid-candidates.jsonl") {
		var c struct{ Event json.RawMessage }
		require.NoError(t, json.Unmarshal(line, &c))
		out = append(out, c.Event)
	}
	return out
}

func TestCorpusOfInvalid(t *testing.T) {
	all := invalid(t)
	require.Len(t, all, 91)
	reasons := map[string]int{}
	for _, raw := range all {
		e, err := Parse(raw, DefaultLimits())
		if err != nil {
			var pe *ParseError
			require.ErrorAs(t, err, &pe)
			reasons[pe.Reason]++
			continue
		}
		require.False(t, e.Verify(), "%s", raw)
		reasons["signature"]++
	}
	require.Equal(t, 2, reasons["signature"])
	require.Positive(t, reasons[ReasonID])
	require.Equal(t, 91, reasons["signature"]+reasons[ReasonID]+reasons[ReasonShape]+reasons[ReasonJSON])
}

// TestCorpusTampered: one changed byte anywhere in an event is found by Parse or by Verify.
func TestCorpusTampered(t *testing.T) {
	raw := corpus.Events()[0]
	want, err := Parse(raw, DefaultLimits())
	require.NoError(t, err)
	for i := range raw {
		for _, c := range []byte{'0', 'a', '"', '}'} {
			if raw[i] == c {
				continue
			}
			bent := bytes.Clone(raw)
			bent[i] = c
			e, err := Parse(bent, DefaultLimits())
			if err == nil && e.Verify() {
				require.Equal(t, want.ID, e.ID, "%s", bent)
			}
		}
	}
}
