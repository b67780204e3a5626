package web

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
)

func page(t *testing.T, s Snapshot, cs []Condition, query string) string {
	t.Helper()
	w := ask(t, Handler(options(s, cs)), "GET", "/"+query)
	require.Equal(t, 200, w.Code)
	return w.Body.String()
}

// elements lists all elements with the given tag of a parsed page.
func elements(t *testing.T, body, tag string) []*html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	require.NoError(t, err)
	var out []*html.Node
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && n.Data == tag {
			out = append(out, n)
		}
	}
	return out
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func TestPageShowsEveryRelayInOneRow(t *testing.T) {
	rows := elements(t, page(t, sample(), conditions(false), ""), "tr")[1:]
	require.Len(t, rows, 7)
	want := []string{
		"wss://relay.ngit.devbootstrapngit.dev relay Connectednegentropy healthy 482,113 / 391,207 42 / 0 live 12s ago 5h ago",
		"wss://relay.nostr.examplediscoveredA relay with a name that goes on for rat… Syncingpaged healthy 12,840 / 977 70 / 6 fetching historyby id 4,000 · wide · polled 21,000 every 5 min 31s ago –",
		"wss://gitnostr.compinned ConnectedDegradedpaged degraded 90,311 / 88 12 / 0 waiting to retry1 value set asideblocked: an author must be specified to get kind:1 notes<script>alert(…lost: websocket: close 1006, 1h ago 20s ago 1d ago",
		"wss://slow.examplediscovered Connectedpaged rate limited 1,400 / 1,400 8 / 0 cooling downnothing live · polled 1,300 · 1,250 values set aside 9m ago 1h ago",
		"ws://127.0.0.1:7447/nostr/pathbootstrap Connecting disconnected 0 / 0 0 / 0 dialling – –",
		"wss://gone.examplediscovered Disconnected dead 0 / 0 0 / 0 –dns: lookup gone.example: no such host, 11h ago, next dial in 13h 8d ago 9d ago",
	}
	for i, w := range want {
		require.Equal(t, w, text(rows[i]))
	}
}

func TestPageShowsTotalsNoticesAndReadiness(t *testing.T) {
	body := page(t, sample(), conditions(false), "")
	for _, want := range []string{
		`<span class="pill good">ready</span>`, "v1.4.0", "up 2d 4h", "2026-10-03 14:05:09 UTC",
		`<span class="value">1,204,882</span>`, `<span class="value">4 / 7</span>`,
		`<p class="notice warn">limits.max_relays (1000) is reached`,
		`<rect class="connected" x="0" y="0" width="285" height="10"><title>2 Connected</title></rect>`,
	} {
		require.Contains(t, body, want)
	}
	require.NotContains(t, body, `class="card alarm"`)

	s := sample()
	s.Totals.OwnRelayUp = false
	body = page(t, s, conditions(true), "")
	require.Contains(t, body, `<span class="pill bad">not ready</span>`)
	require.Contains(t, body, `<b>own relay</b> <bdi>&lt;script&gt;alert`)
	require.Contains(t, body, `<div class="card alarm"><span class="label">Own relay</span><span class="value">down</span>`)
}

func TestWhatIsNotReadyIsSaidOnce(t *testing.T) {
	s := sample()
	s.Notices = append(s.Notices, Notice{Level: Warn, Text: "nothing was read"})
	body := page(t, s, []Condition{{Name: "picture", Why: "nothing was read"}}, "")
	require.Equal(t, 1, strings.Count(body, "nothing was read"))
	require.Contains(t, body, "<b>picture</b> <bdi>nothing was read")
	require.Contains(t, body, `<p class="notice warn">limits.max_relays (1000) is reached`)
}

func TestAnOutageOfOurOwnIsTheFirstNotice(t *testing.T) {
	s := sample()
	require.NotContains(t, page(t, s, nil, ""), `role="alert"`)
	s.Outage = before(3 * time.Minute)
	body := page(t, s, nil, "")
	require.Contains(t, body, `<main>
<p class="notice alarm" role="alert">Our own network seems to be down since 2026-10-03 14:02:09 UTC: relays`)
	require.Contains(t, body, `<p class="notice warn">limits.max_relays (1000) is reached`)
	require.Len(t, s.Notices, 1)
}

func TestChosenRelayShowsWhatIsLiveAndItsLastRefusal(t *testing.T) {
	body := page(t, sample(), nil, "?relay=wss%3A%2F%2Fgitnostr.com")
	require.Contains(t, body, "<span>800 values live by id</span>\n<span>1 value set aside</span>")
	require.Contains(t, body, "last refusal or failure: <bdi>blocked: an author must be specified to get kind:1 notes&lt;script&gt;alert")
	body = page(t, sample(), nil, "?relay=wss%3A%2F%2Frelay.nostr.example")
	require.Contains(t, body, "<span>by id 4,000 · wide · polled 21,000 every 5 min</span>")
	require.NotContains(t, body, "values live by id")
}

func TestPageOfADaemonWithoutRelays(t *testing.T) {
	body := page(t, Snapshot{At: now, Started: now}, nil, "")
	require.Contains(t, body, "No relay is wanted yet")
	require.NotContains(t, body, "<table")
	require.NotContains(t, body, "<svg")
}

func TestHostileTextStaysText(t *testing.T) {
	for _, query := range []string{"", "?relay=wss%3A%2F%2Fhostile.example", "?relay=" + url.QueryEscape(hostile)} {
		body := page(t, sample(), conditions(true), query)
		require.Empty(t, elements(t, body, "script"))
		require.Len(t, elements(t, body, "style"), 1)
		for _, hidden := range []string{"\u202e", "\u200b", "\x1b"} {
			require.NotContains(t, body, hidden)
		}
		for _, link := range elements(t, body, "a") {
			require.Regexp(t, `^/`, attribute(link, "href"), "every link stays here")
		}
	}
}

func TestLongTextIsCutWithTheRestInTheTitle(t *testing.T) {
	s := sample()
	name := strings.Repeat("näme ", 30)
	s.Relays = s.Relays[:1]
	s.Relays[0].Name = name
	body := page(t, s, nil, "")
	require.Contains(t, body, `<bdi title="`+name+`">`+strings.Repeat("näme ", 8)+`…</bdi>`)

	s.Relays[0].Name = strings.Repeat("x", 1<<20)
	require.Less(t, len(page(t, s, nil, "")), 20_000)
}

func TestChosenRelayShowsItsHistoryNewestFirst(t *testing.T) {
	body := page(t, sample(), nil, "?relay=wss%3A%2F%2Frelay.ngit.dev&refresh=off")
	tables := elements(t, body, "table")
	require.Len(t, tables, 2)
	require.Equal(t, "Changes of phase, newest first When From To Why "+
		"2026-10-02 13:05:09 UTC Syncing Connected nothing pending twice, every batch ok "+
		"2026-10-02 12:05:09 UTC Connecting Syncing handshake done "+
		"2026-10-02 12:05:07 UTC Disconnected Connecting due and wanted", strings.Join(strings.Fields(spaced(tables[0])), " "))
	require.Contains(t, body, `<a class="close" href="/?refresh=off">close</a>`)

	body = page(t, sample(), nil, "?relay=wss%3A%2F%2Fforgotten.example")
	require.Contains(t, body, "There is no relay <bdi>wss://forgotten.example</bdi>")
}

// spaced is the text of a node with a space between elements.
func spaced(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data + " ")
		}
	}
	return b.String()
}

func TestRefreshCanBePausedAndKeepsTheChosenRelay(t *testing.T) {
	body := page(t, sample(), nil, "?relay=wss%3A%2F%2Frelay.ngit.dev")
	require.Contains(t, body, `<meta http-equiv="refresh" content="5">`)
	require.Contains(t, body, `<a href="/?refresh=off&amp;relay=wss%3A%2F%2Frelay.ngit.dev">every 5 s &middot; pause</a>`)

	body = page(t, sample(), nil, "?relay=wss%3A%2F%2Frelay.ngit.dev&refresh=off")
	require.NotContains(t, body, "http-equiv")
	require.Contains(t, body, `<a href="/?relay=wss%3A%2F%2Frelay.ngit.dev">paused &middot; resume</a>`)
}

// A browser applies the style sheet only when its hash is the one of the policy, byte for byte as served.
func TestStyleMatchesThePolicyAndNothingElseIsLoaded(t *testing.T) {
	body := page(t, sample(), nil, "")
	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(body)[1]
	sum := sha256.Sum256([]byte(style))
	require.Contains(t, contentPolicy, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	require.NotContains(t, contentPolicy, "unsafe")
	require.NotRegexp(t, `@import|url\(`, style)
	doc, err := html.Parse(strings.NewReader(body))
	require.NoError(t, err)
	for n := range doc.Descendants() {
		for _, a := range n.Attr {
			require.NotContains(t, []string{"style", "src", "srcset"}, a.Key, "the policy would refuse it")
			require.NotRegexp(t, `^on`, a.Key)
		}
	}
}
