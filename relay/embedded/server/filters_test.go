package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFiltersOfARequestAreBounded(t *testing.T) {
	for most, lim := range map[int]Limits{100: {}, 3: {Filters: 3}} {
		r, err := parseRequest([]byte(`["REQ","x"`+strings.Repeat(`,{"kinds":[1]}`, most)+`]`), lim.withDefaults())
		require.NoError(t, err)
		require.Len(t, r.filters, most)
		_, err = parseRequest([]byte(`["REQ","x"`+strings.Repeat(`,{"kinds":[1]}`, most+1)+`]`), lim.withDefaults())
		require.ErrorContains(t, err, fmt.Sprintf("1 to %d filters", most))
	}
}
