package relayurl

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func rows(t testing.TB, file string) [][]string {
	t.Helper()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	var out [][]string
	for line := range strings.Lines(string(raw)) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, strings.Split(line, "\t"))
		}
	}
	return out
}

func answer(s string) string {
	u, err := Canonical(s)
	var bad *Error
	if errors.As(err, &bad) {
		return "!" + bad.Reason
	}
	return string(u)
}

func TestWild(t *testing.T) {
	wild, want := rows(t, "testdata/wild.tsv"), rows(t, "testdata/wild.want.tsv")
	require.Len(t, want, len(wild))
	require.Greater(t, len(wild), 60)
	for i, row := range wild {
		require.Equal(t, row[0], want[i][0], "the two files go line by line")
		require.Equal(t, want[i][1], answer(row[0]), "%q: %s", row[0], row[1])
	}
}
