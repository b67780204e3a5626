package server

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/corpus"
)

func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		`["REQ","s",{"kinds":[1],"#e":["x"],"limit":0},{}]`, `["EVENT",{"id":"00"}]`, `["CLOSE","s"]`, `["NEG-OPEN","n",{},"61"]`,
		`["NEG-MSG","n","61"]`, `["AUTH",{}]`, `["COUNT","c",{}]`, `,"x"`, `[[]]`, `["REQ","s",null]`, `["REQ","s",{"ids":[1]}]`,
	} {
		f.Add([]byte(seed))
	}
	for _, event := range corpus.Events() {
		f.Add(slices.Concat([]byte(`["EVENT",`), event, []byte(`]`)))
	}
	lim := Limits{}.withDefaults()
	f.Fuzz(func(t *testing.T, msg []byte) {
		r, err := parseRequest(msg, lim)
		if err != nil {
			var re *requestError
			require.ErrorAs(t, err, &re)
			require.True(t, json.Valid(noticeFrame(re.reason)))
			require.True(t, json.Valid(closedFrame(re.sub, re.reason)))
			return
		}
		switch r.label {
		case "EVENT", "AUTH":
			require.NotEmpty(t, r.raw)
			claimedID(r.raw)
		case "REQ":
			require.NotEmpty(t, r.filters)
			require.NotEmpty(t, r.sub)
		case "NEG-OPEN":
			require.Len(t, r.filters, 1)
		}
	})
}
