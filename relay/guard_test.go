package relay

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

func TestGuard(t *testing.T) {
	allow := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/16")}
	tests := []struct {
		addr string
		why  string // empty: may be dialled
	}{
		{"8.8.8.8:443", ""},
		{"8.8.8.8:80", ""},
		{"8.8.8.8:1024", ""},
		{"8.8.8.8:65535", ""},
		{"8.8.8.8:22", "port below 1024"},
		{"8.8.8.8:1023", "port below 1024"},
		{"8.8.8.8:0", "port below 1024"},
		{"0.0.0.0:443", "unspecified"},
		{"0.1.2.3:443", "unspecified"},
		{"127.0.0.1:443", "loopback"},
		{"127.255.255.255:443", "loopback"},
		{"10.0.0.1:443", "private"},
		{"10.1.2.3:443", ""},
		{"10.1.2.3:25", "port below 1024"},
		{"172.16.0.1:443", "private"},
		{"172.31.255.255:443", "private"},
		{"172.32.0.1:443", ""},
		{"192.168.1.1:443", "private"},
		{"100.64.0.1:443", "carrier-grade NAT"},
		{"100.100.100.200:80", "carrier-grade NAT"}, // Alibaba's metadata
		{"100.128.0.1:443", ""},
		{"169.254.169.254:80", "link-local"}, // metadata
		{"168.63.129.16:80", "metadata"},     // Azure's
		{"192.0.0.192:80", "reserved"},       // Oracle's metadata
		{"198.18.0.1:443", "benchmarking"},
		{"203.0.113.7:443", "documentation"},
		{"224.0.0.1:443", "multicast"},
		{"255.255.255.255:443", "reserved"},
		{"[2a00:1450::1]:443", ""},
		{"[::]:443", "unspecified"},
		{"[::1]:443", "unspecified"}, // as an IPv4-compatible address
		{"[fe80::1%eth0]:443", "link-local"},
		{"[fc00::1]:443", "private"},
		{"[fd00::1]:443", ""},
		{"[fd00:ec2::254]:80", ""}, // inside what is allowed
		{"[fd12::1]:443", "private"},
		{"[fec0::1]:443", "reserved"},
		{"[ff02::1]:443", "multicast"},
		{"[2001:db8::1]:443", "documentation"},
		{"[2001:0:1::1]:443", "reserved"},
		{"[100::1]:443", "reserved"},
		{"[::ffff:127.0.0.1]:443", "loopback"},
		{"[::ffff:8.8.8.8]:443", ""},
		{"[::ffff:10.1.2.3]:443", ""},
		{"[::127.0.0.1]:443", "loopback"},
		{"[64:ff9b::7f00:1]:443", "loopback"},
		{"[64:ff9b::a9fe:a9fe]:80", "link-local"},
		{"[64:ff9b::808:808]:443", ""},
		{"[64:ff9b:1::808:808]:443", "reserved"},
		{"[2002:7f00:1::]:443", "loopback"},
		{"[2002:a00:1::1]:443", "private"},
		{"[2002:808:808::1]:443", ""},
		{"[::ffff:0:127.0.0.1]:443", "reserved"},       // IPv4-translated (RFC 7915)
		{"[2001:0:7f00:1::1]:443", "reserved"},         // Teredo
		{"[2a00:1::5efe:127.0.0.1]:443", "loopback"},   // ISATAP (RFC 5214)
		{"[2a00:1::200:5efe:10.0.0.1]:443", "private"}, // likewise, of a global address
		{"[2a00:1::5efe:8.8.8.8]:443", ""},
		{"[2a00:1::1:5efe:127.0.0.1]:443", ""},
		{"[::ffff:169.254.169.254]:80", "link-local"},
		{"[2002:a9fe:a9fe::1]:80", "link-local"},
	}
	for _, tt := range tests {
		t.Run(tt.addr, func(t *testing.T) {
			err := guard{allow: allow}.control(t.Context(), "tcp", tt.addr, nil)
			if tt.why == "" {
				require.NoError(t, err)
				return
			}
			var refused *GuardError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, tt.why, refused.Why)
		})
	}
	require.Error(t, guard{}.control(t.Context(), "tcp", "relay.example:443", nil))
}

// TestANameThatTurnsIsCheckedAtEachDial: the address is looked at where the socket is made, not where the name was first resolved.
func TestANameThatTurnsIsCheckedAtEachDial(t *testing.T) {
	port := listenTwice(t)
	d := NewDialer(DialerOptions{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	var answer atomic.Pointer[[]string]
	d.crowd.resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go answerDNS(server, *answer.Load())
		return client, nil
	}}
	u := relayurl.URL("ws://relay.example:" + port)
	for _, turn := range []struct {
		addrs []string
		cause health.Cause
	}{
		{[]string{"127.0.0.1"}, health.CauseNone},
		{[]string{"127.0.0.2"}, health.CausePolicy},
		{[]string{"127.0.0.2", "127.0.0.1"}, health.CauseNone},
		{[]string{"127.0.0.2", "127.0.0.2"}, health.CausePolicy},
	} {
		answer.Store(&turn.addrs)
		s, f := d.Dial(t.Context(), u, Stranger)
		if turn.cause != health.CauseNone {
			require.NotNil(t, f, turn.addrs)
			require.Equal(t, turn.cause, f.Cause, "%s: %v", turn.addrs, f)
			continue
		}
		require.Nil(t, f, "%s: %v", turn.addrs, f)
		s.Close()
	}
}

func TestLocalhostIsRefusedByItsAddress(t *testing.T) {
	port := listenTwice(t)
	for _, host := range []string{"localhost", "127.0.0.1"} {
		u := relayurl.URL("ws://" + host + ":" + port)
		_, f := NewDialer(DialerOptions{}).Dial(t.Context(), u, Stranger)
		require.NotNil(t, f, host)
		require.Equal(t, health.CausePolicy, f.Cause, "%s: %v", host, f)
		_, f = NewDialer(DialerOptions{}).Document(t.Context(), u, Stranger)
		require.Equal(t, health.CausePolicy, f.Cause, host)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var hits atomic.Int32
	behind := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer behind.Close()
	front := httptest.NewServer(http.RedirectHandler(behind.URL, http.StatusTemporaryRedirect))
	defer front.Close()
	u := relayurl.URL(strings.Replace(front.URL, "http", "ws", 1))
	for _, trust := range []Trust{Stranger, Operator} {
		d := NewDialer(DialerOptions{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
		_, f := d.Dial(t.Context(), u, trust)
		require.Equal(t, 307, f.HTTPStatus)
		_, f = d.Document(t.Context(), u, trust)
		require.Equal(t, 307, f.HTTPStatus)
	}
	require.Zero(t, hits.Load())
}
