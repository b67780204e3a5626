package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChangesNeedTheToken(t *testing.T) {
	const token = "open sesame open sesame"
	for header, code := range map[string]int{
		"":                                 401,
		"Bearer":                           401,
		"Bearer ":                          401,
		token:                              401,
		"Basic " + token:                   401,
		"Bearer " + token + " ":            401,
		"Bearer " + token[1:]:              401,
		"Bearer " + strings.ToUpper(token): 401,
		"Bearer " + token:                  200,
		"bearer " + token:                  200,
	} {
		h := Handler(options(sample(), nil))
		w := post(t, h, "/api/v1/relays/sync?relay=wss://a.example", header)
		require.Equal(t, code, w.Code, header)
		require.NotContains(t, w.Body.String(), "sesame")
		require.Equal(t, code == 401, w.Header().Get("WWW-Authenticate") != "", header)
	}
	o := options(sample(), nil)
	o.Token = ""
	require.Equal(t, 401, post(t, Handler(o), "/api/v1/relays/sync", "Bearer ").Code, "without a token nothing can be changed")
}

func TestChangesAndTheirAnswers(t *testing.T) {
	h := Handler(options(sample(), nil))
	for target, code := range map[string]int{
		"/api/v1/relays/sync":                   200,
		"/api/v1/relays/sync?relay=":            200,
		"/api/v1/relays/sync?rejected=true":     200,
		"/api/v1/relays/pair?relay=wss://a.b":   200,
		"/api/v1/relays/unpair?relay=wss://a.b": 200,
		"/api/v1/relays/pair":                   400,
		"/api/v1/relays/unpair":                 400,
		"/api/v1/relays/drop?relay=wss://a.b":   404,
		"/api/v1/relays/pair?relay=malformed":   400,
		"/api/v1/relays/pair?relay=busy":        503,
		"/api/v1/relays/sync?relay=unknown":     409,
	} {
		w := post(t, h, target, "Bearer open sesame open sesame")
		require.Equal(t, code, w.Code, target)
		require.NotContains(t, w.Body.String(), "\x1b", target)
	}
}

func post(t *testing.T, h http.Handler, target, authorization string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, target, nil)
	read := false
	r.Body = io.NopCloser(readerFunc(func([]byte) (int, error) { read = true; return 0, io.EOF }))
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.False(t, read, "the body of a change holds nothing")
	return w
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
