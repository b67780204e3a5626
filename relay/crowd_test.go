package relay

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// crowdedDialer counts loopback addresses as if they were a stranger's, and resolves relay.example to those given.
func crowdedDialer(t *testing.T, addrs ...string) *Dialer {
	t.Helper()
	d := NewDialer(DialerOptions{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	d.crowd.exempt = nil
	d.crowd.resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go answerDNS(server, addrs)
		return client, nil
	}}
	return d
}

// answerDNS answers one question over a stream with A records.
func answerDNS(conn net.Conn, addrs []string) {
	defer conn.Close()
	buf := make([]byte, 512)
	n, err := conn.Read(buf)
	for err == nil && (n < 2 || n < 2+int(buf[0])<<8+int(buf[1])) {
		var more int
		more, err = conn.Read(buf[n:])
		n += more
	}
	var m dnsmessage.Message
	if err != nil || m.Unpack(buf[2:n]) != nil {
		return
	}
	m.Response, m.Additionals = true, nil
	q := m.Questions[0]
	if q.Type == dnsmessage.TypeA {
		for _, a := range addrs {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
				Body:   &dnsmessage.AResource{A: netip.MustParseAddr(a).As4()},
			})
		}
	}
	out, err := m.Pack()
	if err == nil {
		_, _ = conn.Write(append([]byte{byte(len(out) >> 8), byte(len(out))}, out...))
	}
}

// listenTwice serves a relay at the same port of two loopback addresses.
func listenTwice(t *testing.T) (port string) {
	t.Helper()
	r := relaytest.Start(t, relaytest.Options{Document: `{"name":"x"}`})
	first, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err = net.SplitHostPort(first.Addr().String())
	require.NoError(t, err)
	second, err := net.Listen("tcp", "127.0.0.2:"+port)
	require.NoError(t, err)
	srv := &http.Server{Handler: r}
	for _, l := range []net.Listener{first, second} {
		go func() { _ = srv.Serve(l) }()
	}
	t.Cleanup(func() { _ = srv.Close() })
	return port
}

func (c *crowd) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, open := range c.open {
		n += open
	}
	return n
}

func TestFourSocketsForEachAddress(t *testing.T) {
	port := listenTwice(t)
	d := crowdedDialer(t)
	url := relayurl.URL("ws://127.0.0.1:" + port)
	var open []*Socket
	for range 4 {
		s, f := d.Dial(t.Context(), url, Stranger)
		require.Nil(t, f)
		open = append(open, s)
	}
	_, f := d.Dial(t.Context(), url, Stranger)
	require.Equal(t, health.CauseCrowded, f.Cause, "%v", f)
	_, f = d.Document(t.Context(), url, Stranger)
	require.Nil(t, f, "a document is no connection that stays")

	own, f := d.Dial(t.Context(), url, Operator)
	require.Nil(t, f, "the operator's word stands")
	open = append(open, own)
	other, f := d.Dial(t.Context(), relayurl.URL("ws://127.0.0.2:"+port), Stranger)
	require.Nil(t, f, "another address")
	open = append(open, other)

	open[0].Close()
	again, f := d.Dial(t.Context(), url, Stranger)
	require.Nil(t, f, "there is room again")
	for _, s := range append(open, again) {
		s.Close()
	}
	require.Eventually(t, func() bool { return d.crowd.size() == 0 }, time.Minute, time.Millisecond)
}

func TestAllowedRangesAreNotCounted(t *testing.T) {
	port := listenTwice(t)
	d := NewDialer(DialerOptions{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, PerAddress: 1})
	for range 3 {
		s, f := d.Dial(t.Context(), relayurl.URL("ws://127.0.0.1:"+port), Stranger)
		require.Nil(t, f)
		t.Cleanup(s.Close)
	}
}

func TestANameWithSeveralAddressesIsCountedByEach(t *testing.T) {
	port := listenTwice(t)
	d := crowdedDialer(t, "127.0.0.1", "127.0.0.2")
	url := relayurl.URL("ws://relay.example:" + port)
	for range 8 {
		s, f := d.Dial(t.Context(), url, Stranger)
		require.Nil(t, f)
		t.Cleanup(s.Close)
	}
	_, f := d.Dial(t.Context(), url, Stranger)
	require.Equal(t, health.CauseCrowded, f.Cause, "%v", f)

	mixed := crowdedDialer(t, "127.0.0.3", "127.0.0.1") // nothing listens at the first
	mixed.crowd.most = 1
	s, f := mixed.Dial(t.Context(), url, Stranger)
	require.Nil(t, f)
	defer s.Close()
	require.Equal(t, 1, mixed.crowd.size(), "the failed attempt holds nothing")
	_, f = mixed.Dial(t.Context(), url, Stranger)
	require.Equal(t, health.CauseCrowded, f.Cause, "the address that was left out might have answered: %v", f)
	require.Equal(t, 1, mixed.crowd.size())
}

func TestManyAtOnceShareTheBound(t *testing.T) {
	port := listenTwice(t)
	d := crowdedDialer(t)
	var wg sync.WaitGroup
	var opened, crowded atomic.Int32
	for range 40 {
		wg.Go(func() {
			s, f := d.Dial(t.Context(), relayurl.URL("ws://127.0.0.1:"+port), Stranger)
			switch {
			case f == nil:
				opened.Add(1)
				t.Cleanup(s.Close)
			case f.Cause == health.CauseCrowded:
				crowded.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 4, opened.Load())
	require.EqualValues(t, 36, crowded.Load())
}

func TestFailedHandshakesHoldNoPlace(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	d := crowdedDialer(t)
	for range 10 {
		_, f := d.Dial(t.Context(), relayurl.URL(strings.Replace(srv.URL, "http", "ws", 1)), Stranger)
		require.Equal(t, health.CauseHTTP, f.Cause, "%v", f)
		require.Eventually(t, func() bool { return d.crowd.size() == 0 }, time.Minute, time.Millisecond)
	}
}

func TestCrowdKey(t *testing.T) {
	tests := []struct{ addr, want string }{
		{"192.0.2.1:443", "192.0.2.1/32"},
		{"[::ffff:192.0.2.1]:443", "192.0.2.1/32"},
		{"[64:ff9b::192.0.2.1]:443", "192.0.2.1/32"},
		{"[2a00:1:2:3:4:5:6:7]:443", "2a00:1:2:3::/64"},
		{"[fe80::1%eth0]:443", "fe80::/64"},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, crowdKey(tt.addr).String())
	}
	require.False(t, crowdKey("pipe").IsValid())
}
