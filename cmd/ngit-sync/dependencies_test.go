package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	requireLine = regexp.MustCompile(`(?m)^(?:require )?\s*([^\s()]+\.[^\s()]+/[^\s()]+) v\S+$`) // no "// indirect" behind it
	moduleRow   = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (\\S.*\\S) \\|$")
)

func TestEveryDirectDependencyHasItsReason(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	require.NoError(t, err)
	doc, err := os.ReadFile("../../docs/reference/dependencies.md")
	require.NoError(t, err)
	var want, have []string
	for _, m := range requireLine.FindAllStringSubmatch(string(mod), -1) {
		want = append(want, m[1])
	}
	for _, m := range moduleRow.FindAllStringSubmatch(string(doc), -1) {
		have = append(have, m[1])
	}
	require.NotEmpty(t, want)
	require.Equal(t, strings.Join(want, "\n"), strings.Join(have, "\n"))
}
