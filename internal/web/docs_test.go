package web

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every field that the API can answer is named in the reference.
func TestTheReferenceNamesEveryField(t *testing.T) {
	doc, err := os.ReadFile("../../docs/reference/http.md")
	require.NoError(t, err)
	s := sample()
	s.Outage = now
	h := Handler(options(s, conditions(true)))
	for _, target := range []string{
		"/readyz", "/api/v1/status", "/api/v1/relays", "/api/v1/explain?id=event", "/api/v1/explain?id=repo", "/api/v1/explain?id=",
	} {
		path, _, _ := strings.Cut(target, "?")
		require.Contains(t, string(doc), "`"+path)
		var answer any
		require.NoError(t, json.Unmarshal(ask(t, h, "GET", target).Body.Bytes(), &answer))
		fields(answer, func(name string) {
			require.True(t, strings.Contains(string(doc), "`"+name+"`") || strings.Contains(string(doc), "`totals."+name+"`"),
				"%s answers %q", target, name)
		})
	}
}

// fields visits the names in a JSON value, except those of phases, which are data.
func fields(v any, visit func(string)) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if name != "totals" {
				visit(name)
			}
			if name != "relays_by_phase" {
				fields(inner, visit)
			}
		}
	case []any:
		for _, inner := range v {
			fields(inner, visit)
		}
	}
}
