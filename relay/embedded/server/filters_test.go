package server

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFiltersOfARequestAreBounded(t *testing.T) {
	lim := Limits{}.withDefaults()
	r, err := parseRequest([]byte(`["REQ","x"`+strings.Repeat(`,{"kinds":[1]}`, 100)+`]`), lim)
	require.NoError(t, err)
	require.Len(t, r.filters, 100)
	_, err = parseRequest([]byte(`["REQ","x"`+strings.Repeat(`,{"kinds":[1]}`, 101)+`]`), lim)
	require.Error(t, err)
}
