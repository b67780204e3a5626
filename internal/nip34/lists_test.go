package nip34

import (
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/corpus"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

func TestLists(t *testing.T) {
	n := npub(t, key(1))
	good := "https://git.example.com/" + n + "/x.git"
	for _, tc := range []struct {
		name    string
		clone   string
		relay   string
		domains []string // nil: git.example.com
		want    bool
	}{
		{"both", good, "wss://git.example.com", nil, true},
		{"trailing slashes", good + "/", "wss://git.example.com///", nil, true},
		{"case", "HTTPS://Git.Example.COM/" + n + "/x.git", "WSS://GIT.example.com", []string{"Git.Example.Com"}, true},
		{"default ports", "https://git.example.com:443/" + n + "/x.git", "wss://git.example.com:443", nil, true},
		{"plain", "http://git.example.com/" + n + "/x.git", "ws://git.example.com", nil, true},
		{"port", "http://git.example.com:8080/" + n + "/x.git", "ws://git.example.com:8080", []string{"git.example.com:8080"}, true},
		{"other port", "http://git.example.com:8080/" + n + "/x.git", "ws://git.example.com:8080", nil, false},
		{"port of one", "http://git.example.com:8080/" + n + "/x.git", "ws://git.example.com", nil, false},
		{"relay with path", good, "wss://git.example.com/relay", nil, true},
		{"host with path", "https://git.example.com/grasp/" + n + "/x.git", "wss://git.example.com/grasp", nil, true},
		{"escaped identifier", "https://git.example.com/" + n + "/my%20%F0%9F%9A%80%2Frepo.git", "wss://git.example.com", nil, true},
		{"unescaped identifier", "https://git.example.com/" + n + "/kuboslopp by Shakespeare.git", "wss://git.example.com", nil, true},
		{"broken escape in the identifier", "https://git.example.com/" + n + "/50%.git", "wss://git.example.com", nil, true},
		{"slash in the identifier", "https://git.example.com/" + n + "/abc/vortex.git", "wss://git.example.com", nil, true},
		{"dots in the identifier", "https://git.example.com/" + n + "/next.js.git", "wss://git.example.com", nil, true},
		{"another key's repo", "https://git.example.com/" + npub(t, key(2)) + "/x.git", "wss://git.example.com", nil, true},
		{"second domain", good, "wss://git.example.com", []string{"a.example", "git.example.com"}, true},
		{"a different domain in each", good, "wss://a.example", []string{"a.example", "git.example.com"}, false},
		{"no domains", good, "wss://git.example.com", []string{}, false},
		{"empty domain", good, "wss://git.example.com", []string{""}, false},
		{"clone only", good, "wss://a.example", nil, false},
		{"relay only", "https://github.com/x/y.git", "wss://git.example.com", nil, false},
		{"nothing", "", "", nil, false},
		{"subdomain", "https://a.git.example.com/" + n + "/x.git", "wss://a.git.example.com", nil, false},
		{"parent domain", "https://example.com/" + n + "/x.git", "wss://example.com", nil, false},
		{"domain as prefix", "https://git.example.com.evil.example/" + n + "/x.git", "wss://git.example.com.evil.example", nil, false},
		{"domain in the path", "https://evil.example/git.example.com/" + n + "/x.git", "wss://evil.example/git.example.com", nil, false},
		{"userinfo", "https://git.example.com@evil.example/" + n + "/x.git", "wss://git.example.com", nil, false},
		{"https relay", good, "https://git.example.com", nil, false},
		{"wss clone", "wss://git.example.com/" + n + "/x.git", "wss://git.example.com", nil, false},
		{"ssh clone", "ssh://git.example.com/" + n + "/x.git", "wss://git.example.com", nil, false},
		{"scp clone", "git@git.example.com:" + n + "/x.git", "wss://git.example.com", nil, false},
		{"no npub", "https://git.example.com/someone/x.git", "wss://git.example.com", nil, false},
		{"hex key", "https://git.example.com/" + key(1).String() + "/x.git", "wss://git.example.com", nil, false},
		{"bad checksum", "https://git.example.com/" + n[:61] + "11/x.git", "wss://git.example.com", nil, false},
		{"no identifier", "https://git.example.com/" + n + "/.git", "wss://git.example.com", nil, false},
		{"no .git", "https://git.example.com/" + n + "/x", "wss://git.example.com", nil, false},
		{"npub last", "https://git.example.com/" + n + ".git", "wss://git.example.com", nil, false},
		{"contributors' endpoint", "https://git.example.com/prs/" + n + "/x.git", "wss://git.example.com", nil, false},
		{"contributors' endpoint, spelled otherwise", "https://git.example.com//PRS//" + n + "/x.git", "wss://git.example.com", nil, false},
		{"contributors' endpoint below a path", "https://git.example.com/grasp/prs/" + n + "/x.git", "wss://git.example.com/grasp", nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			domains := tc.domains
			if domains == nil {
				domains = []string{"git.example.com"}
			}
			a := announce(t, 1, 1, nostr.Tag{"d", "x"}, nostr.Tag{"clone", tc.clone}, nostr.Tag{"relays", tc.relay})
			require.Equal(t, tc.want, a.Lists(domains))
			// Anywhere among other values, in one tag or in several.
			b := announce(t, 1, 1,
				nostr.Tag{"relays", "garbage"}, nostr.Tag{"clone", "nostr://x", tc.clone}, nostr.Tag{"d", "x"},
				nostr.Tag{"relays", "wss://nos.lol/", tc.relay}, nostr.Tag{"clone", "https://github.com/x/y"})
			require.Equal(t, tc.want, b.Lists(domains))
		})
	}
}

// announcements are those of the corpus.
func announcements(t testing.TB) (out []*event.Event) {
	t.Helper()
	for _, raw := range corpus.Events() {
		e, err := event.Parse(raw, event.DefaultLimits())
		require.NoError(t, err)
		if e.Kind == event.KindAnnouncement {
			out = append(out, e)
		}
	}
	return out
}

// TestListsCorpus: the announcements of the corpus that were seen on gitnostr.com list it.
func TestListsCorpus(t *testing.T) {
	lists := map[string]int{}
	total, maintainers := 0, 0
	for _, e := range announcements(t) {
		a, err := ParseAnnouncement(e)
		require.NoError(t, err)
		require.Empty(t, a.Skipped)
		total++
		maintainers += len(a.Maintainers)
		for _, domain := range []string{
			"gitnostr.com", "relay.ngit.dev", "ngit.danconwaydev.com", "pyramid.treegaze.com", "github.com", "relay.damus.io", "ngit.dev", "nostr.com",
		} {
			if a.Lists([]string{domain}) {
				lists[domain]++
			}
		}
	}
	require.Equal(t, 16, total)
	require.Equal(t, 5, maintainers)
	require.Equal(t, map[string]int{
		"gitnostr.com": 14, "relay.ngit.dev": 14, "ngit.danconwaydev.com": 1, "pyramid.treegaze.com": 3,
	}, lists)
}
