package relayurl

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCanonical(t *testing.T) {
	label := strings.Repeat("a", 63)
	for _, tc := range []struct{ in, want string }{
		// scheme, case, ports
		{"WSS://Relay.Example", "wss://relay.example"},
		{"wss://relay.example:443", "wss://relay.example"},
		{"wss://relay.example:00443/", "wss://relay.example"},
		{"wss://relay.example:80", "wss://relay.example:80"},
		{"ws://relay.example:80", "ws://relay.example"},
		{"ws://relay.example:443", "ws://relay.example:443"},
		{"wss://relay.example:", "wss://relay.example"},
		{"wss://relay.example:65535", "wss://relay.example:65535"},
		{"wss://relay.example:65536", "!port"},
		{"wss://relay.example:0", "!port"},
		{"wss://relay.example:99999999999999999999", "!port"},
		{"wss://relay.example:8o", "!port"},
		{"wss://relay.example:+80", "!port"},
		{"wss://relay.example:-1", "!port"},
		{"http://relay.example", "!scheme"},
		{"relay.example", "!scheme"},
		{"relay.example:443", "!scheme"},
		{"wss:relay.example", "!scheme"},
		{"wss:/relay.example", "!scheme"},
		{" wss://relay.example\n", "wss://relay.example"},
		{"wss://relay.\texample", "!character"},
		{"wss://relay.example/a b", "!character"},
		{"wss://relay.example/\u202etxt", "!character"},
		{"wss://relay.example/\xff", "!character"},
		{"wss:\\\\relay.example", "!character"},
		// userinfo, fragment, nesting
		{"wss://user:pw@relay.example", "!userinfo"},
		{"wss://@relay.example", "!userinfo"},
		{"wss://relay.example#x", "wss://relay.example"},
		{"wss://relay.example/a#x?y", "wss://relay.example/a"},
		{"wss://wss.relay.example", "wss://wss.relay.example"},
		{"wss://wss/", "!nested"},
		{"wss://a.example/,wss://b.example", "!nested"},
		{"wss://bouncer.example/?to=wss://b.example", "wss://bouncer.example?to=wss://b.example"},
		// names
		{"wss://relay.example.", "wss://relay.example"},
		{"wss://relay.example.:443/", "wss://relay.example"},
		{"wss://relay.example..", "!host"},
		{"wss://.relay.example", "!host"},
		{"wss://relay..example", "!host"},
		{"wss://.", "!host"},
		{"wss:///path", "!host"},
		{"wss://:443", "!host"},
		{"wss://-relay.example", "!host"},
		{"wss://relay-.example", "!host"},
		{"wss://re--lay.example", "!host"},
		{"wss://re-lay.example", "wss://re-lay.example"},
		{"wss://re_lay.example", "!host"},
		{"wss://re*lay.example", "!host"},
		{"wss://" + label + ".example", "wss://" + label + ".example"},
		{"wss://" + label + "a.example", "!host"},
		{"wss://" + strings.Repeat(label+".", 4) + "example", "!host"},
		{"wss://localhost", "wss://localhost"},
		{"wss://münchen.example", "wss://xn--mnchen-3ya.example"},
		{"wss://MÜNCHEN.example", "wss://xn--mnchen-3ya.example"},
		{"wss://mu\u0308nchen.example", "wss://xn--mnchen-3ya.example"},
		{"wss://xn--mnchen-3ya.example", "wss://xn--mnchen-3ya.example"},
		{"wss://XN--MNCHEN-3YA.example", "wss://xn--mnchen-3ya.example"},
		{"wss://xn--zzzzzzzz.example", "!host"},
		{"wss://xn--.example", "!host"},
		{"wss://straße.example", "wss://xn--strae-oqa.example"},
		{"wss://relay。example", "wss://relay.example"},
		{"wss://ｒｅｌａｙ.example", "wss://relay.example"},
		{"wss://🚀.example", "wss://xn--158h.example"},
		{"wss://relay.example⁄x", "wss://relay.xn--examplex-k03d"}, // looks like a slash, is none
		{"wss://relay.example℀x", "!host"},                         // would become one
		{"wss://re\u00adlay.example", "!character"},
		// addresses
		{"ws://127.0.0.1:7777", "ws://127.0.0.1:7777"},
		{"ws://127.0.0.1.", "ws://127.0.0.1"},
		{"ws://127.1", "!host"},
		{"ws://2130706433", "!host"},
		{"ws://0x7f000001", "!host"},
		{"ws://0x7f.0.0.0x1", "!host"},
		{"ws://127.0.0.01", "!host"},
		{"ws://256.0.0.1", "!host"},
		{"ws://relay.example.1", "!host"},
		{"ws://１２７.0.0.1", "ws://127.0.0.1"},
		{"ws://[::1]:80", "ws://[::1]"},
		{"ws://[::1]:7777/", "ws://[::1]:7777"},
		{"ws://[2001:DB8:0:0::1]", "ws://[2001:db8::1]"},
		{"ws://[::ffff:127.0.0.1]", "ws://127.0.0.1"},
		{"ws://[::ffff:7f00:1]:81", "ws://127.0.0.1:81"},
		{"ws://[64:ff9b::7f00:1]", "ws://[64:ff9b::7f00:1]"},
		{"ws://[fe80::1%25eth0]", "!host"},
		{"ws://[fe80::1%eth0]", "!host"},
		{"ws://[127.0.0.1]", "!host"},
		{"ws://[::1", "!host"},
		{"ws://[::1]x", "!host"},
		{"ws://[]", "!host"},
		{"ws://::1", "!host"},
		{"ws://2001:db8::1:80", "!host"},
		// paths and queries
		{"wss://relay.example/", "wss://relay.example"},
		{"wss://relay.example///", "wss://relay.example"},
		{"wss://relay.example/a/", "wss://relay.example/a"},
		{"wss://relay.example/A//b", "wss://relay.example/A//b"},
		{"wss://relay.example//a", "wss://relay.example//a"},
		{"wss://relay.example/%7euser", "wss://relay.example/~user"},
		{"wss://relay.example/%c3%bc", "wss://relay.example/%C3%BC"},
		{"wss://relay.example/ü", "wss://relay.example/%C3%BC"},
		{"wss://relay.example/a%2fb", "wss://relay.example/a%2Fb"},
		{"wss://relay.example/%2541", "wss://relay.example/%2541"},
		{"wss://relay.example/%20", "!path"},
		{"wss://relay.example/%0a", "!path"},
		{"wss://relay.example/%00", "!path"},
		{"wss://relay.example/%5c", "!path"},
		{"wss://relay.example/%e2%80%8b", "!path"},
		{"wss://relay.example/%ff", "!path"},
		{"wss://relay.example/%", "!path"},
		{"wss://relay.example/%2", "!path"},
		{"wss://relay.example/%zz", "!path"},
		{"wss://relay.example/a/../b", "!path"},
		{"wss://relay.example/%2e%2e/b", "!path"},
		{"wss://relay.example/.", "!path"},
		{"wss://relay.example/...", "wss://relay.example/..."},
		{"wss://relay.example/<b>", "!path"},
		{`wss://relay.example/"`, "!path"},
		{"wss://relay.example?", "wss://relay.example"},
		{"wss://relay.example/?a=1&b=%41", "wss://relay.example?a=1&b=A"},
		{"wss://relay.example/x/?a?b", "wss://relay.example/x?a?b"},
		{"wss://relay.example/?<script>", "!path"},
		{"wss://relay.example/?a=1/", "wss://relay.example?a=1/"},
		// lengths
		{"", "!length"},
		{" \n", "!length"},
		{"wss://relay.example/" + strings.Repeat("a", MaxLen-20), "wss://relay.example/" + strings.Repeat("a", MaxLen-20)},
		{"wss://relay.example/" + strings.Repeat("a", MaxLen-19), "!length"},
		{"wss://relay.example/" + strings.Repeat("ü", 100), "!length"},
	} {
		require.Equal(t, tc.want, answer(tc.in), "%q", tc.in)
		if !strings.HasPrefix(tc.want, "!") {
			require.Equal(t, tc.want, answer(tc.want), "again: %q", tc.in)
		}
	}
}

func TestErrorsDoNotQuoteTheInput(t *testing.T) {
	for _, s := range []string{"\x1b[31mwss://x", "wss://<b>.example", "wss://a.example/<b>", strings.Repeat("<b>", 500)} {
		_, err := Canonical(s)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "<b>")
		require.NotContains(t, err.Error(), "\x1b")
	}
}

func TestParts(t *testing.T) {
	for _, tc := range []struct {
		in, host, name string
		port           int
	}{
		{"wss://relay.example/a:b", "relay.example", "relay.example", 443},
		{"ws://relay.example", "relay.example", "relay.example", 80},
		{"ws://relay.example:7777?x=:1", "relay.example:7777", "relay.example", 7777},
		{"wss://[::1]/x", "[::1]", "::1", 443},
		{"wss://[::1]:9/x", "[::1]:9", "::1", 9},
	} {
		u, err := Canonical(tc.in)
		require.NoError(t, err)
		require.Equal(t, tc.host, u.Host())
		require.Equal(t, tc.name, u.Hostname())
		require.Equal(t, tc.port, u.Port())
		_, literal := u.Address()
		require.Equal(t, tc.name == "::1", literal)
		parsed, err := url.Parse(u.String())
		require.NoError(t, err)
		require.Equal(t, tc.host, parsed.Host)
	}
}
