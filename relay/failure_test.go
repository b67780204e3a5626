package relay

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/badline"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// serving is a server that answers a handshake with a status.
func serving(t *testing.T, status int, retryAfter string) relayurl.URL {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(srv.Close)
	return relayurl.URL(strings.Replace(srv.URL, "http", "ws", 1))
}

func TestRetryAfterReachesTheNextDial(t *testing.T) {
	tests := []struct {
		name   string
		status int
		header string
		want   time.Duration
		health health.Status
	}{
		{"a minute is less than the cooldown", 429, "60", 65 * time.Second, health.RateLimited},
		{"an hour is an hour", 429, "3600", time.Hour, health.RateLimited},
		{"a date", 429, "in three hours", 3 * time.Hour, health.RateLimited},
		{"a day at most", 429, "31536000", 24 * time.Hour, health.RateLimited},
		{"a number beyond all", 429, "99999999999999999999", 24 * time.Hour, health.RateLimited},
		{"a negative one", 429, "-99999999999999999999", 65 * time.Second, health.RateLimited},
		{"nonsense", 429, "soon", 65 * time.Second, health.RateLimited},
		{"unavailable for an hour", 503, "3600", time.Hour, health.Degraded},
		{"unavailable, it does not say how long", 503, "", 5 * time.Second, health.Degraded},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			const whole, slow = 2, 600 // seconds; a date has whole ones, and counts from when it is read
			header, precise := tt.header, float64(whole)
			if header == "in three hours" {
				header, precise = time.Now().Add(3*time.Hour).UTC().Format(http.TimeFormat), slow
			}
			_, f := NewDialer(DialerOptions{}).Dial(t.Context(), serving(t, tt.status, header), Operator)
			require.NotNil(t, f)
			p, now := health.DefaultPolicy(), time.Now()
			s := p.Down(health.State{}, now, f)
			require.InDelta(t, tt.want.Seconds(), s.NotBefore.Sub(now).Seconds(), precise)
			require.Equal(t, tt.health, p.Status(s, now))
		})
	}
}

func TestEachDialFailureHasItsCause(t *testing.T) {
	gone, err := badline.HoldPort()
	require.NoError(t, err)
	t.Cleanup(gone.Close)
	refused := relayurl.URL("ws://" + gone.Addr())
	plain := serving(t, 200, "")
	tests := []struct {
		name string
		url  relayurl.URL
		want health.Cause
		text string // begins so
	}{
		{"no such name", "ws://relay.example", health.CauseDNS, "dns: dial tcp: lookup relay.example"},
		{"nothing listens", refused, health.CauseRefused, "refused: dial tcp 127.0.0.1:"},
		{"a web page", plain, health.CauseHTTP, "http: expected handshake response status code 101 but got 200"},
		{"TLS asked of who has none", "wss" + plain[len("ws"):], health.CauseTLS, "tls: http: server gave HTTP response to HTTPS client"},
		{"not found", serving(t, 404, ""), health.CauseHTTP, "http: expected handshake response status code 101 but got 404"},
		{"too many requests", serving(t, 429, ""), health.CauseRateLimit, "rate limit: expected handshake response status code 101 but got 429"},
		{"bad gateway", serving(t, 502, ""), health.CauseHTTP, "http: expected handshake response status code 101 but got 502"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, f := crowdedDialer(t).Dial(t.Context(), tt.url, Stranger)
			require.NotNil(t, f)
			require.Equal(t, tt.want, f.Cause, "%v", f)
			require.True(t, strings.HasPrefix(f.Error(), tt.text), f.Error())
		})
	}
}

func TestAResolverThatDoesNotAnswerIsADNSFault(t *testing.T) {
	d := crowdedDialer(t)
	d.crowd.wait = 50 * time.Millisecond
	d.crowd.resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		t.Cleanup(func() { _ = server.Close() })
		go func() { _, _ = io.Copy(io.Discard, server) }()
		return client, nil
	}}
	_, f := d.Dial(t.Context(), "ws://relay.example", Stranger)
	require.Equal(t, health.CauseDNS, f.Cause, "%v", f)
}
