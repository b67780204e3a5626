package relay

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

func TestParseDocument(t *testing.T) {
	tests := []struct {
		name string
		raw  string
		want Document
	}{
		{"empty", `{}`, Document{}},
		{
			"full", `{"name":"n","software":"strfry","supported_nips":[1,77],"limitation":{"max_subscriptions":20,"max_filters":7,
			"max_limit":500,"max_message_length":131072,"auth_required":true,"restricted_writes":true}}`,
			Document{
				Name: "n", Software: "strfry", NIPs: []int{1, 77}, MaxSubscriptions: 20, MaxFilters: 7, MaxLimit: 500,
				MaxMessageLength: 131072, AuthRequired: true,
			},
		},
		{
			"wrong types spoil nothing", `{"name":3,"supported_nips":[1,"42",{},-1,null],"limitation":{"max_subscriptions":{},
			"max_limit":"500","max_filters":1e1,"max_message_length":true,"auth_required":1}}`,
			Document{NIPs: []int{1, 42}, MaxLimit: 500, MaxFilters: 10},
		},
		{"no limitation object", `{"name":"n","limitation":[1]}`, Document{Name: "n"}},
		{"no numbers", `{"limitation":{"max_limit":-1,"max_filters":0,"max_subscriptions":0.5,"max_message_length":1e300}}`, Document{}},
		{"long name", `{"name":"` + strings.Repeat("é", 40) + `"}`, Document{Name: strings.Repeat("é", 32)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := ParseDocument([]byte(tt.raw))
			require.NoError(t, err)
			require.Equal(t, tt.want, doc)
		})
	}
	for _, raw := range []string{``, `null`, `[]`, `<html>`, `{"name":`} {
		_, err := ParseDocument([]byte(raw))
		require.Error(t, err, raw)
	}
}

func TestDocumentLimits(t *testing.T) {
	assumed := AssumedLimits()
	require.Equal(t, assumed, Document{}.Limits(assumed))

	stated := Document{MaxSubscriptions: 20, MaxFilters: 7, MaxLimit: 300, MaxMessageLength: 131072}.Limits(assumed)
	want := assumed
	want.Subscriptions, want.FiltersPerREQ, want.PageLimit, want.MessageBytes = 20, 7, 300, 131072
	require.Equal(t, want, stated)

	wild := Document{MaxSubscriptions: 1 << 30, MaxFilters: 1 << 30, MaxLimit: 1 << 30, MaxMessageLength: 1 << 30}.Limits(assumed)
	want.Subscriptions, want.FiltersPerREQ, want.PageLimit, want.MessageBytes = 200, 200, 5000, 1<<20
	require.Equal(t, want, wild)
	require.Equal(t, 4096, Document{MaxMessageLength: 5}.Limits(assumed).MessageBytes)
}

func TestAHostileDocumentIsClipped(t *testing.T) {
	long := strings.Repeat("x", 1000)
	doc, err := ParseDocument([]byte(`{"name":"` + long + `","software":"` + long + `","supported_nips":[1` + strings.Repeat(",1", 1000) + `]}`))
	require.NoError(t, err)
	require.Len(t, doc.Name, 64)
	require.Len(t, doc.Software, 64)
	require.Len(t, doc.NIPs, 128)
}

func FuzzParseDocument(f *testing.F) {
	for _, s := range []string{
		`{"name":"n","supported_nips":[1],"limitation":{"max_limit":"500"}}`,
		`{"limitation":{"max_limit":1e400}}`,
		`null`, `[]`, `<html>`, `{"name":`, `{"name":null,"name":"\ud800\u0000","NAME":1}`, "{\"name\":\"\xff\x1b[2J\"}", `{"limitation":{"limitation":{}}}`,
		`{"supported_nips":[` + strings.Repeat("1,", 3*maxNIPs) + `1]}`, strings.Repeat(`{"limitation":`, 2000), `{"limitation":{"max_filters":-0.0,"max_limit":9223372036854775808}}`,
		// As strfry, nostr-rs-relay and khatru write them.
		`{"contact":"","description":"This is a strfry instance.","limitation":{"max_limit":500,"max_message_length":131072,"max_subscriptions":20},"name":"strfry default",` +
			`"negentropy":1,"pubkey":"","software":"git+https://github.com/hoytech/strfry.git","supported_nips":[1,2,4,9,11,22,28,40,70,77],"version":"1.0.4"}`,
		`{"id":"wss://nostr.example.com/","name":"nostr-rs-relay","description":"A newly created nostr-rs-relay.","supported_nips":[1,2,9,11,12,15,16,20,22,33,40],` +
			`"software":"https://git.sr.ht/~gheartsfield/nostr-rs-relay","version":"0.9.0","limitation":{"payment_required":false,"restricted_writes":false}}`,
		`{"name":"ngit-relay","supported_nips":[1,11,40,42,70,77,86,34],"software":"https://github.com/DanConwayDev/ngit-relay","version":"v1",` +
			`"limitation":{"auth_required":false,"payment_required":false,"restricted_writes":true},"supported_grasps":["GRASP-01"]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		doc, err := ParseDocument(raw)
		if err != nil {
			require.Zero(t, doc)
			return
		}
		require.LessOrEqual(t, len(doc.Name), maxDocumentText)
		require.LessOrEqual(t, len(doc.NIPs), maxNIPs)
		l := doc.Limits(AssumedLimits())
		require.Positive(t, l.Subscriptions)
		require.Positive(t, l.FiltersPerREQ)
		require.Positive(t, l.PageLimit)
		require.GreaterOrEqual(t, l.MessageBytes, leastMessage)
	})
}

func TestDocumentFetch(t *testing.T) {
	tests := []struct {
		name   string
		script relaytest.Options
		cause  health.Cause
		after  time.Duration
	}{
		{"honest", relaytest.Options{Document: `{"name":"x"}`}, health.CauseNone, 0},
		{"largest", relaytest.Options{Document: `{"name":"x"}` + strings.Repeat(" ", maxDocument-12)}, health.CauseNone, 0},
		{"too large", relaytest.Options{Document: `{"name":"x"}` + strings.Repeat(" ", maxDocument)}, health.CauseProtocol, 0},
		{"no document", relaytest.Options{DocumentStatus: 404}, health.CauseHTTP, 0},
		{"server error with a document", relaytest.Options{DocumentStatus: 500, Document: `{"name":"x"}`}, health.CauseHTTP, 0},
		{"redirect", relaytest.Options{DocumentStatus: 301}, health.CauseHTTP, 0},
		{"too many requests", relaytest.Options{DocumentStatus: 429}, health.CauseRateLimit, 0},
		{"a page for people", relaytest.Options{Document: `<html>`}, health.CauseProtocol, 0},
		{"silence", relaytest.Options{DocumentSilent: true}, health.CauseTimeout, 5 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := relaytest.Start(t, tt.script)
				start := time.Now()
				doc, f := testDialer(r, nil).Document(t.Context(), testURL, Stranger)
				require.Equal(t, tt.after, time.Since(start))
				if tt.cause == health.CauseNone {
					require.Nil(t, f)
					require.Equal(t, "x", doc.Name)
					return
				}
				require.NotNil(t, f)
				require.Equal(t, tt.cause, f.Cause, "%v", f)
			})
		})
	}
}

func TestDocumentIsGuarded(t *testing.T) {
	_, f := NewDialer(DialerOptions{}).Document(t.Context(), relayurl.URL("ws://127.0.0.1:7777"), Stranger)
	require.Equal(t, health.CausePolicy, f.Cause)
}
