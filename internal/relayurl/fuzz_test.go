package relayurl

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/corpus"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

// FuzzCanonical: the canonical form is a fixed point, is what net/url understands by it, and hides nothing.
func FuzzCanonical(f *testing.F) {
	for _, row := range rows(f, "testdata/wild.tsv") {
		f.Add(row[0])
	}
	for _, s := range []string{
		"wss://MÜNCHEN.example./ü/%7e?%41#x", "ws://[::ffff:1.2.3.4%25x]:080", "wss://xn--mnchen-3ya.example", "wss://１.２.３.４。",
		"wss://a.example/%2e/%2F/..", "wss://ß.example:443//", "wss://a\u200d.example", "wss://xn--a-0fa.xn--b-1ga",
	} {
		f.Add(s)
	}
	reasons := map[string]bool{
		ReasonLength: true, ReasonCharacter: true, ReasonScheme: true, ReasonNested: true,
		ReasonUserinfo: true, ReasonHost: true, ReasonPort: true, ReasonPath: true,
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := Canonical(s)
		if err != nil {
			var bad *Error
			require.True(t, errors.As(err, &bad) && reasons[bad.Reason], "%v", err)
			require.Empty(t, u)
			return
		}
		again, err := Canonical(string(u))
		require.NoError(t, err, "%q", u)
		require.Equal(t, u, again)
		require.LessOrEqual(t, len(u), MaxLen)
		for i := range len(u) {
			require.True(t, u[i] > ' ' && u[i] < 0x7f, "%q", u)
		}

		parsed, err := url.Parse(string(u))
		require.NoError(t, err, "%q", u)
		require.Contains(t, []string{"ws", "wss"}, parsed.Scheme)
		require.Nil(t, parsed.User)
		require.Empty(t, parsed.Fragment)
		require.Equal(t, parsed.Host, u.Host())
		require.Equal(t, parsed.Hostname(), u.Hostname())
		require.NotEmpty(t, u.Hostname())
		require.Equal(t, string(u), parsed.String())
		_, _, err = net.SplitHostPort(net.JoinHostPort(u.Hostname(), strconv.Itoa(u.Port())))
		require.NoError(t, err)
		require.True(t, u.Port() >= 1 && u.Port() <= 65535)

		require.True(t, MatchHost(s, []string{u.Host()}))
		require.True(t, MatchHost(string(u), []string{u.Host()}))
		domain, err := Domain(u.Host())
		require.NoError(t, err)
		require.Equal(t, u.Host(), domain)
	})
}

// FuzzMatchHost: a match is one of whole hosts, as net/url sees them.
func FuzzMatchHost(f *testing.F) {
	for _, row := range rows(f, "testdata/wild.tsv") {
		f.Add(row[0], "relay.damus.io")
		if u, err := Canonical(row[0]); err == nil {
			f.Add(row[0], u.Host())
		}
	}
	for _, raw := range corpus.Events() {
		e, err := event.Parse(raw, event.DefaultLimits())
		require.NoError(f, err)
		for _, tag := range e.Tags {
			if len(tag) > 1 && (tag[0] == "clone" || tag[0] == "relays") {
				f.Add(tag[1], "gitnostr.com")
			}
		}
	}
	f.Add("https://git.example.com/npub1x/y.git", "git.example.com")
	f.Add("wss://git.example.com@evil.example", "git.example.com")
	f.Add("ws://[::1]:3334", "[::1]:3334")
	f.Fuzz(func(t *testing.T, raw, domain string) {
		if !MatchHost(raw, []string{domain}) {
			return
		}
		_, err := Domain(domain)
		require.NoError(t, err, "%q", domain)
		require.True(t, MatchHost(raw, []string{"never.example", domain}))
		require.False(t, MatchHost(raw, []string{"x" + domain, domain + ".evil.example"}) && domain[0] != '[')
	})
}

func BenchmarkCanonical(b *testing.B) {
	for _, s := range []string{"wss://relay.example.com", "wss://Relay.Example.com/", "wss://münchen.example/x"} {
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Canonical(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMatchHost(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if MatchHost("https://relay.example.com/npub1/x.git", []string{"git.example.com"}) {
			b.Fatal("match")
		}
	}
}
