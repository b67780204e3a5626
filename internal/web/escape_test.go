package web

import (
	"encoding/json"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

func TestEscapeJSON(t *testing.T) {
	for in, want := range map[string]string{
		`{"a": "plain"}` + "\n":    `{"a": "plain"}` + "\n",
		`"ümläut 語 🚀"`:             `"ümläut 語 🚀"`,
		"\"\u202etxt\u200b\"":      `"\u202etxt\u200b"`,
		"\"\u009b2J\x7f\"":         `"\u009b2J\u007f"`,
		"\"\U000e0041\U0010ffff\"": `"\udb40\udc41\udbff\udfff"`,
		"\"\x9b\"":                 `"\ufffd"`,
		"":                         "",
	} {
		require.Equal(t, want, string(EscapeJSON([]byte(in))))
	}
}

func FuzzEscapeJSON(f *testing.F) {
	f.Add(hostile)
	f.Add("\U000e0001\u009b\ufffd\x00\xff")
	f.Fuzz(func(t *testing.T, s string) {
		text, err := json.Marshal(s)
		require.NoError(t, err)
		out := EscapeJSON(text)
		for _, r := range string(out) {
			require.True(t, unicode.IsGraphic(r), "%q", out)
		}
		var before, after string
		require.NoError(t, json.Unmarshal(text, &before))
		require.NoError(t, json.Unmarshal(out, &after))
		require.Equal(t, before, after)
	})
}
