package relay

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// socks is a SOCKS5 proxy (RFC 1928, RFC 1929) that takes every name to one place, and remembers what it was asked for.
type socks struct {
	listener net.Listener
	target   string // empty: it refuses
	mu       sync.Mutex
	asked    []string
	users    []string
}

func startSocks(t *testing.T, target string) *socks {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &socks{listener: l, target: target}
	var open sync.WaitGroup
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		open.Wait()
	})
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { s.serve(c) })
		}
	})
	return s
}

func (s *socks) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	read := func(n int) []byte {
		b := make([]byte, n)
		_, _ = io.ReadFull(r, b)
		return b
	}
	write := func(b ...byte) { _, _ = c.Write(b) }
	methods := read(int(read(2)[1]))
	if slices.Contains(methods, 2) {
		write(5, 2)
		read(1)
		user := string(read(int(read(1)[0])))
		read(int(read(1)[0]))
		s.mu.Lock()
		s.users = append(s.users, user)
		s.mu.Unlock()
		write(1, 0)
	} else {
		write(5, 0)
	}
	head := read(4)
	var host string
	switch head[3] {
	case 1:
		host = netip.AddrFrom4([4]byte(read(4))).String()
	case 3:
		host = string(read(int(read(1)[0])))
	case 4:
		host = netip.AddrFrom16([16]byte(read(16))).String()
	}
	asked := fmt.Sprintf("%s:%d", host, binary.BigEndian.Uint16(read(2)))
	s.mu.Lock()
	s.asked = append(s.asked, asked)
	s.mu.Unlock()
	if s.target == "" {
		write(5, 4, 0, 1, 0, 0, 0, 0, 0, 0) // host unreachable
		return
	}
	to, err := net.Dial("tcp", s.target)
	if err != nil {
		return
	}
	defer to.Close()
	write(5, 0, 0, 1, 0, 0, 0, 0, 0, 0)
	go func() {
		_, _ = io.Copy(to, r)
		_ = to.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(c, to)
}

func (s *socks) url(t *testing.T, user string) *url.URL {
	u, err := url.Parse("socks5h://" + user + s.listener.Addr().String())
	require.NoError(t, err)
	return u
}

func (s *socks) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Compact(slices.Sorted(slices.Values(s.asked)))
}

func TestRelaysAreReachedThroughAProxy(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{Document: `{"name":"behind"}`})
	server := httptest.NewServer(r)
	t.Cleanup(server.CloseClientConnections)
	direct := relayurl.URL("ws://" + server.Listener.Addr().String())
	p := startSocks(t, server.Listener.Addr().String())

	for _, onionOnly := range []bool{false, true} {
		d := NewDialer(DialerOptions{Proxy: &Proxy{
			URL: p.url(t, "me:secret@"), OnionOnly: onionOnly, Direct: func(u relayurl.URL) bool { return u == direct },
		}})
		doc, f := d.Document(t.Context(), "ws://abc.onion", Stranger)
		require.Nil(t, f)
		require.Equal(t, "behind", doc.Name)
		for _, u := range []relayurl.URL{"ws://abc.onion", direct} {
			s, f := d.Dial(t.Context(), u, Operator)
			require.Nil(t, f, u)
			s.Close()
		}
	}
	require.Equal(t, []string{"abc.onion:80"}, p.names(), "names are not resolved here, and the own relay is reached directly")
	require.Equal(t, "me", p.users[0])

	all := NewDialer(DialerOptions{Proxy: &Proxy{URL: p.url(t, "")}})
	s, f := all.Dial(t.Context(), "ws://relay.example.com:8080", Stranger)
	require.Nil(t, f)
	s.Close()
	require.Contains(t, p.names(), "relay.example.com:8080")
}

// What a stranger names is not taken to the proxy's own network, as far as the name shows.
func TestGuardLooksAtNamesInFrontOfAProxy(t *testing.T) {
	p := startSocks(t, "")
	d := NewDialer(DialerOptions{Proxy: &Proxy{URL: p.url(t, "")}, AllowPrivate: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}})
	for u, allowed := range map[relayurl.URL]bool{
		"ws://127.0.0.1":                false,
		"ws://[::1]":                    false,
		"ws://[::ffff:192.168.1.1]":     false,
		"ws://169.254.169.254":          false,
		"ws://10.2.0.1":                 false,
		"ws://10.1.0.1":                 true,
		"ws://localhost":                false,
		"ws://x.localhost":              false,
		"ws://metadata":                 false,
		"ws://metadata.google.internal": false,
		"ws://printer.local":            false,
		"ws://nas.home.arpa":            false,
		"ws://kubernetes.default.svc":   false,
		"ws://[64:ff9b::a9fe:a9fe]":     false,
		"ws://[2002:7f00:1::]":          false,
		"ws://relay.example.com:22":     false,
		"ws://relay.example.com:443":    true,
		"ws://relay.example.com:65535":  true,
	} {
		before := len(p.names())
		_, f := d.Dial(t.Context(), u, Stranger)
		require.NotNil(t, f, u)
		if allowed {
			require.Equal(t, health.CauseRefused, f.Cause, "%s: %v", u, f)
			require.Len(t, p.names(), before+1, u)
		} else {
			require.Equal(t, health.CausePolicy, f.Cause, "%s: %v", u, f)
			require.Len(t, p.names(), before, u)
			_, f = d.Document(t.Context(), u, Stranger)
			require.Equal(t, health.CausePolicy, f.Cause, u)
		}
	}
}

func TestOnionNamesAreNotAskedOfDNS(t *testing.T) {
	for _, trust := range []Trust{Stranger, Operator} {
		_, f := NewDialer(DialerOptions{}).Dial(t.Context(), "ws://abc.onion", trust)
		require.Equal(t, health.CausePolicy, f.Cause)
		require.ErrorContains(t, f, "network.proxy")
	}
}
