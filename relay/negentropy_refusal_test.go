package relay

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRefusalsAreToldApart(t *testing.T) {
	errs := []struct {
		text  string
		limit int64
		want  refusal
	}{
		{"blocked: too many query results", 1_000_000, refusesSize},
		{"blocked: this query is too big", 0, refusesSize},
		{"blocked: too many query results", 0, refusesSize},
		{"blocked: (2431002 > 1000000)", 0, refusesSize},
		{"blocked: negentropy not supported", 0, refusesAll},
		{"error: unknown envelope label", 0, refusesAll},
		{"PROTOCOL-ERROR", 0, refusesFilter},
		{"auth-required: requested filter requires authentication", 0, refusesFilter},
		{"ERROR: bad req: unrecognised filter item: search", 0, refusesFilter},
		{"rate-limited: slow down", 0, refusesPace},
		{"rate-limited: too many REQs", 0, refusesPace},
		{"closed: unknown subscription handle", 0, refusesSession},
		{"CLOSED", 0, refusesSession},
		{"", 0, refusesFilter},
	}
	for _, tt := range errs {
		require.Equal(t, tt.want, readNegErr(tt.text, tt.limit), tt.text)
	}
	for text, want := range map[string]refusal{
		"ERROR: bad msg: negentropy disabled":                               refusesAll,
		"ERROR: bad msg: unknown cmd":                                       refusesAll,
		"ERROR: negentropy error: negentropy query missing elements":        refusesAll,
		"could not parse command":                                           refusesAll,
		"Invalid enum value NEG-OPEN":                                       refusesAll,
		"error: bad message":                                                refusesAll,
		"bad message type":                                                  refusesAll,
		`invalid: "value" does not match any of the allowed types`:          refusesAll,
		"Command unrecognized":                                              refusesAll,
		"failed to parse envelope: unknown envelope label":                  refusesAll,
		"ERROR: negentropy error: unrecognised filter item: search":         refusesFilter,
		"ERROR: negentropy error: total filter items too large":             refusesFilter,
		"ERROR: negentropy error: got NEG-MSG before NEG-OPEN complete":     refusesFilter,
		"ERROR: too many concurrent NEG requests":                           refusesPace,
		"rate limit: slow down":                                             refusesPace,
		"ERROR: too many concurrent REQs":                                   refusesNothing,
		"welcome to this relay, please pay":                                 refusesNothing,
		"ERROR: bad close: arr too big":                                     refusesNothing,
		"Subscription error: Maximum concurrent subscription count reached": refusesNothing,
	} {
		require.Equal(t, want, readNegNotice(text), text)
	}
}
