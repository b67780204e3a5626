package relay

import (
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

func TestTLSFailures(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	srv := httptest.NewUnstartedServer(r)
	srv.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	srv.TLS = &tls.Config{MaxVersion: tls.VersionTLS12}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	url := strings.Replace(srv.URL, "https", "wss", 1)

	tests := []struct {
		name string
		url  string
		tls  *tls.Config
		want health.Cause
	}{
		{"trusted", url, &tls.Config{RootCAs: roots}, health.CauseNone},
		{"unknown authority", url, nil, health.CauseTLS},
		{"another name", url, &tls.Config{RootCAs: roots, ServerName: "relay.invalid"}, health.CauseTLS},
		{"no common version", url, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}, health.CauseTLS},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, f := NewDialer(DialerOptions{TLS: tt.tls}).Dial(t.Context(), relayurl.URL(tt.url), Operator)
			if tt.want == health.CauseNone {
				require.Nil(t, f)
				s.Close()
				return
			}
			require.Equal(t, tt.want, f.Cause, "%v", f)
		})
	}
}
