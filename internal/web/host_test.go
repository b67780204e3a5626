package web

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// A page of a stranger's whose name leads to this machine now is told nothing.
func TestOnlyNamesOfOursAreAnswered(t *testing.T) {
	o := options(sample(), conditions(false))
	o.Hosts = []string{"sync.example.com", "Other.Example.com."}
	h := Handler(o)
	for host, code := range map[string]int{
		"127.0.0.1:9464":                200,
		"192.0.2.7":                     200,
		"[::1]:9464":                    200,
		"[::1]":                         200,
		"":                              200,
		"localhost:9464":                200,
		"LOCALHOST.":                    200,
		"x.localhost:9464":              200,
		"ngit-sync:9464":                200, // of a container
		"ngit-sync.ns.svc":              200,
		"nas.local:9464":                200,
		"sync.example.com":              200,
		"SYNC.example.com:443":          200,
		"sync.example.com.:80":          200,
		"other.example.com":             200,
		"evil.example":                  421,
		"evil.example:9464":             421,
		"127.0.0.1.nip.io:9464":         421,
		"localhost.evil.example":        421,
		"a.sync.example.com":            421,
		"sync.example.com.evil.example": 421,
		"evil.example:9464:1":           421,
		"0x7f.1":                        421,
	} {
		for _, target := range []string{"/", "/metrics", "/healthz", "/readyz", "/api/v1/status", "/api/v1/relays", "/api/v1/explain?id=event"} {
			r := httptest.NewRequestWithContext(t.Context(), "GET", target, nil)
			r.Host = host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			require.Equal(t, code, w.Code, "%s of %q", target, host)
			require.Equal(t, contentPolicy, w.Header().Get("Content-Security-Policy"))
			if code == 421 {
				require.Contains(t, w.Body.String(), "http.hosts")
				require.NotContains(t, w.Body.String(), "ngit.dev")
			}
		}
	}
}

func TestTheNameThatIsListenedAtIsAnswered(t *testing.T) {
	o := options(sample(), nil)
	o.Listen = "sync.example.com:9464"
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	r.Host = "sync.example.com:9464"
	w := httptest.NewRecorder()
	Handler(o).ServeHTTP(w, r)
	require.Equal(t, 200, w.Code)
}
