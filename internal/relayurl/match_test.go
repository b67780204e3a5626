package relayurl

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMatchHost(t *testing.T) {
	for _, tc := range []struct {
		url     string
		domains []string
		want    bool
	}{
		{"wss://git.example.com", []string{"git.example.com"}, true},
		{"wss://git.example.com/", []string{"git.example.com"}, true},
		{"https://git.example.com/npub1x/y.git", []string{"git.example.com"}, true},
		{"HTTPS://GIT.example.com:443/x", []string{"git.EXAMPLE.com"}, true},
		{"http://git.example.com:80", []string{"git.example.com"}, true},
		{"https://git.example.com:80", []string{"git.example.com"}, false},
		{"https://git.example.com./x", []string{"git.example.com"}, true},
		{"https://git.example.com/x", []string{"git.example.com."}, true},
		{"https://git.example.com/x y%zz", []string{"git.example.com"}, true},
		{"wss://git.example.com:8443", []string{"git.example.com"}, false},
		{"wss://git.example.com:8443", []string{"git.example.com:8443"}, true},
		{"wss://git.example.com", []string{"git.example.com:443"}, true},
		{"ws://git.example.com", []string{"git.example.com:443"}, false},
		{"ws://git.example.com", []string{"git.example.com:80"}, true},
		{"wss://a.git.example.com", []string{"git.example.com"}, false},
		{"wss://git.example.com.evil.example", []string{"git.example.com"}, false},
		{"wss://evilgit.example.com", []string{"git.example.com"}, false},
		{"wss://evil.example/git.example.com", []string{"git.example.com"}, false},
		{"wss://evil.example/?git.example.com", []string{"git.example.com"}, false},
		{"wss://evil.example#git.example.com", []string{"git.example.com"}, false},
		{"wss://git.example.com@evil.example", []string{"git.example.com"}, false},
		{"wss://evil.example@git.example.com", []string{"git.example.com"}, false},
		{"wss://evil.example\\@git.example.com", []string{"git.example.com"}, false},
		{"git.example.com", []string{"git.example.com"}, false},
		{"ssh://git.example.com/x", []string{"git.example.com"}, false},
		{"git@git.example.com:x", []string{"git.example.com"}, false},
		{"nostr://git.example.com", []string{"git.example.com"}, false},
		{"wss://münchen.example", []string{"xn--mnchen-3ya.example"}, true},
		{"wss://xn--mnchen-3ya.example", []string{"MÜNCHEN.example"}, true},
		{"ws://127.0.0.1:3334", []string{"127.0.0.1:3334"}, true},
		{"ws://[0:0::1]:3334", []string{"[::1]:3334"}, true},
		{"wss://b.example", []string{"a.example", "b.example"}, true},
		{"wss://b.example", nil, false},
		{"wss://", []string{""}, false},
		{"wss://\xff", []string{"\xfe"}, false},
		{"wss://b\u200b.example", []string{"b.example"}, false},
		{"wss://b.example", []string{"", "https://b.example", "*"}, false},
		{"", []string{"b.example"}, false},
	} {
		require.Equal(t, tc.want, MatchHost(tc.url, tc.domains), "%q in %q", tc.url, tc.domains)
	}
}

func TestDomain(t *testing.T) {
	for in, want := range map[string]string{
		"Git.Example.com":      "git.example.com",
		"git.example.com.":     "git.example.com",
		"git.example.com:8443": "git.example.com:8443",
		"git.example.com:443":  "git.example.com:443",
		"münchen.example:80":   "xn--mnchen-3ya.example:80",
		"[::1]:3334":           "[::1]:3334",
	} {
		got, err := Domain(in)
		require.NoError(t, err, "%q", in)
		require.Equal(t, want, got)
		again, err := Domain(got)
		require.NoError(t, err)
		require.Equal(t, want, again)
	}
	for _, in := range []string{"", "https://git.example.com", "git.example.com/", "git.example.com?x", "git example.com", "*.example.com", "a:b", "\xff", "b\u200b.example"} {
		_, err := Domain(in)
		require.Error(t, err, "%q", in)
	}
}
