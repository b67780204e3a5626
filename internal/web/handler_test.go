package web

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

func options(s Snapshot, cs []Condition) Options {
	reg := prometheus.NewRegistry()
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "ngit_sync_store_up", Help: "x"})
	reg.MustRegister(gauge)
	gauge.Set(1)
	return Options{
		Listen: "127.0.0.1:0", Hosts: []string{"example.com"}, Registry: reg, Log: zap.NewNop(),
		Snapshot: func() Snapshot { return s }, Conditions: func() []Condition { return cs }, Explain: explained, Token: "open sesame open sesame",
		Change: changed,
	}
}

func ask(t *testing.T, h http.Handler, method, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, target, nil))
	return w
}

func TestRoutesAndMethods(t *testing.T) {
	h := Handler(options(sample(), conditions(false)))
	tests := []struct {
		method, target string
		code           int
		contentType    string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8"},
		{"HEAD", "/", 200, "text/html; charset=utf-8"},
		{"GET", "/healthz", 200, "text/plain; charset=utf-8"},
		{"GET", "/readyz", 200, "application/json; charset=utf-8"},
		{"GET", "/api/v1/status", 200, "application/json; charset=utf-8"},
		{"GET", "/api/v1/relays", 200, "application/json; charset=utf-8"},
		{"GET", "/api/v1/explain?id=event", 200, "application/json; charset=utf-8"},
		{"GET", "/api/v1/explain?id=repo", 200, "application/json; charset=utf-8"},
		{"GET", "/api/v1/explain?id=nobody", 200, "application/json; charset=utf-8"},
		{"GET", "/api/v1/explain?id=down", 503, "application/json; charset=utf-8"},
		{"GET", "/api/v1/explain", 400, "application/json; charset=utf-8"},
		{"POST", "/api/v1/explain?id=event", 405, "text/plain; charset=utf-8"},
		{"GET", "/metrics", 200, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"},
		{"POST", "/api/v1/relays/sync", 401, "application/json; charset=utf-8"},
		{"POST", "/api/v1/relays/drop", 401, "application/json; charset=utf-8"},
		{"POST", "/", 405, "text/plain; charset=utf-8"},
		{"POST", "/api/v1/status", 405, "text/plain; charset=utf-8"},
		{"DELETE", "/api/v1/relays", 405, "text/plain; charset=utf-8"},
		{"PUT", "/metrics", 405, "text/plain; charset=utf-8"},
		{"OPTIONS", "/readyz", 405, "text/plain; charset=utf-8"},
		{"GET", "/nothing", 404, "text/plain; charset=utf-8"},
		{"GET", "/api/v1/status/", 404, "text/plain; charset=utf-8"},
		{"GET", "/debug/pprof/", 404, "text/plain; charset=utf-8"},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.target, func(t *testing.T) {
			w := ask(t, h, tt.method, tt.target)
			require.Equal(t, tt.code, w.Code)
			require.Equal(t, tt.contentType, w.Header().Get("Content-Type"))
			require.Equal(t, contentPolicy, w.Header().Get("Content-Security-Policy"))
			require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
			require.Equal(t, "DENY", w.Header().Get("X-Frame-Options"))
			require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			require.Empty(t, w.Header().Get("Access-Control-Allow-Origin"))
			if tt.code == 405 {
				require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
			}
		})
	}
}

func TestMetricsAreThoseOfTheRegistry(t *testing.T) {
	body := ask(t, Handler(options(sample(), nil)), "GET", "/metrics").Body.String()
	require.Contains(t, body, "ngit_sync_store_up 1\n")
	require.NotContains(t, body, "go_goroutines", "nothing comes from a global registry")
}

func TestHealthzDoesNotDependOnReadiness(t *testing.T) {
	w := ask(t, Handler(options(sample(), conditions(true))), "GET", "/healthz")
	require.Equal(t, 200, w.Code)
	require.Equal(t, "ok\n", w.Body.String())
}

func TestReadyz(t *testing.T) {
	tests := []struct {
		name string
		cs   []Condition
		code int
		body string
	}{
		{"every condition holds", conditions(false), 200,
			`{"ready":true,"conditions":[{"name":"own relay","ok":true},{"name":"database","ok":true},{"name":"first picture","ok":true}]}`},
		{"one does not", []Condition{{Name: "database", Why: "connection refused"}, {Name: "own relay", OK: true}}, 503,
			`{"ready":false,"conditions":[{"name":"database","ok":false,"why":"connection refused"},{"name":"own relay","ok":true}]}`},
		{"there are none", nil, 200, `{"ready":true,"conditions":[]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := ask(t, Handler(options(Snapshot{}, tt.cs)), "GET", "/readyz")
			require.Equal(t, tt.code, w.Code)
			require.JSONEq(t, tt.body, w.Body.String())
		})
	}
}

func TestStatusAPI(t *testing.T) {
	w := ask(t, Handler(options(sample(), conditions(true))), "GET", "/api/v1/status")
	require.Equal(t, 200, w.Code, "an API that answers is no readiness probe")
	var got map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
	require.Equal(t, "2026-10-03T14:05:09Z", got["at"])
	require.Equal(t, "2026-10-01T09:48:09Z", got["started"])
	require.InDelta(t, 188220, got["uptime_seconds"], 0)
	require.Equal(t, false, got["ready"])
	require.Len(t, got["conditions"], 3)
	require.Len(t, got["notices"], 1)
	require.Equal(t, map[string]any{"Connected": 2., "Syncing": 1., "Connecting": 1., "ConnectedDegraded": 1., "Disconnected": 2.},
		got["relays_by_phase"])
	require.NotContains(t, got, "local_outage")
	totals := got["totals"].(map[string]any)
	require.InDelta(t, 1204882, totals["events_published"], 0)
	require.Equal(t, true, totals["own_relay_up"])
}

func TestStatusAPISaysThatOurNetworkIsDown(t *testing.T) {
	s := sample()
	s.Outage = before(time.Minute)
	var got map[string]any
	require.NoError(t, json.Unmarshal(ask(t, Handler(options(s, nil)), "GET", "/api/v1/status").Body.Bytes(), &got))
	require.Equal(t, "2026-10-03T14:04:09Z", got["local_outage"])
	require.Len(t, got["notices"], 2)
	require.Equal(t, "alarm", got["notices"].([]any)[0].(map[string]any)["level"])
}

func TestRelaysAPI(t *testing.T) {
	w := ask(t, Handler(options(sample(), nil)), "GET", "/api/v1/relays")
	var got struct{ Relays []map[string]any }
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
	require.Len(t, got.Relays, 7)
	require.Equal(t, "wss://relay.ngit.dev", got.Relays[0]["url"])
	require.Len(t, got.Relays[0]["changes"], 3)
	require.NotContains(t, got.Relays[0], "last_failure", "what never was is left out")
	require.NotContains(t, got.Relays[0], "poll_every_seconds")
	require.InDelta(t, 4000, got.Relays[1]["live_by_id"], 0)
	require.Equal(t, true, got.Relays[1]["live_wide"])
	require.InDelta(t, 21000, got.Relays[1]["polled"], 0)
	require.InDelta(t, 300, got.Relays[1]["poll_every_seconds"], 0)
	require.InDelta(t, 1250, got.Relays[3]["set_aside"], 0)
	require.Equal(t, []any{}, got.Relays[1]["changes"], "an empty list is a list")
	require.Equal(t, hostile, got.Relays[6]["name"], "JSON carries text as it is, escaped")
	require.NotContains(t, w.Body.String(), "<script>")
}

func TestAnEmptyDaemonHasEmptyListsInJSON(t *testing.T) {
	h := Handler(options(Snapshot{}, nil))
	for _, target := range []string{"/api/v1/status", "/api/v1/relays"} {
		require.NotContains(t, ask(t, h, "GET", target).Body.String(), "null", target)
	}
	require.True(t, strings.HasSuffix(ask(t, h, "GET", "/api/v1/relays").Body.String(), "\"relays\":[]}\n"))
}
