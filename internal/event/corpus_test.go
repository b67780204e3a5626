package event

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func lines(t testing.TB, file string) [][]byte {
	t.Helper()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	var out [][]byte
	in := bufio.NewScanner(bytes.NewReader(raw))
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		out = append(out, bytes.Clone(in.Bytes()))
	}
	require.NoError(t, in.Err())
	return out
}

func corpus(t testing.TB) [][]byte { return lines(t, "testdata/events.jsonl") }

func TestCorpusIsValid(t *testing.T) {
	all := corpus(t)
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

func TestCorpusOfInvalid(t *testing.T) {
	all := lines(t, "testdata/invalid-candidates.jsonl")
	require.Len(t, all, 91)
	reasons := map[string]int{}
	for _, raw := range all {
		var c struct {
			Event  json.RawMessage
			Source string
		}
		require.NoError(t, json.Unmarshal(raw, &c))
		e, err := Parse(c.Event, DefaultLimits())
		if err != nil {
			var pe *ParseError
			require.ErrorAs(t, err, &pe)
			reasons[pe.Reason]++
			continue
		}
		require.False(t, e.Verify(), "%s", c.Source)
		reasons["signature"]++
	}
	require.Equal(t, 2, reasons["signature"])
	require.Positive(t, reasons[ReasonID])
	require.Equal(t, 91, reasons["signature"]+reasons[ReasonID]+reasons[ReasonShape]+reasons[ReasonJSON])
}

// TestCorpusTampered: one changed byte anywhere in an event is found by Parse or by Verify.
func TestCorpusTampered(t *testing.T) {
	raw := corpus(t)[0]
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
