package embedded

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip19"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
)

const domain = "git.example.com"

func secret(n int) string {
	var key [32]byte
	key[30], key[31] = byte(n>>8), byte(n+1)
	return hex.EncodeToString(key[:])
}

func pub(t testing.TB, n int) event.PubKey {
	t.Helper()
	s, err := nostr.GetPublicKey(secret(n))
	require.NoError(t, err)
	pk, err := event.ParsePubKey(s)
	require.NoError(t, err)
	return pk
}

// sign makes an event by key number n.
func sign(t testing.TB, n, kind int, at int64, content string, tags ...nostr.Tag) *event.Event {
	t.Helper()
	e := nostr.Event{Kind: kind, CreatedAt: nostr.Timestamp(at), Content: content, Tags: tags}
	require.NoError(t, e.Sign(secret(n)))
	out, err := event.Wrap(e)
	require.NoError(t, err)
	return out
}

// announce makes an announcement that lists the test's domain.
func announce(t testing.TB, n int, d string, at int64, tags ...nostr.Tag) *event.Event {
	t.Helper()
	npub, err := nip19.EncodePublicKey(pub(t, n).String())
	require.NoError(t, err)
	return sign(t, n, event.KindAnnouncement, at, "", append([]nostr.Tag{
		{"d", d}, {"clone", "https://" + domain + "/" + npub + "/" + d + ".git"}, {"relays", "wss://" + domain, "wss://relay.example"},
	}, tags...)...)
}

func coordinate(t testing.TB, n int, d string) string { return event.RepoRef(pub(t, n), d).String() }

func rules() nip34.Rules { return nip34.Rules{Domains: []string{domain}} }

func openRelay(t testing.TB, dir string, r nip34.Rules) *Relay {
	t.Helper()
	relay, err := Open(t.Context(), Options{Dir: dir, Listen: "127.0.0.1:0", Rules: r})
	require.NoError(t, err)
	return relay
}

func closeRelay(t testing.TB, r *Relay) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(t, r.Close(ctx))
}

// run opens a relay for one test.
func run(t testing.TB, r nip34.Rules) *Relay {
	t.Helper()
	relay := openRelay(t, t.TempDir(), r)
	t.Cleanup(func() { closeRelay(t, relay) })
	return relay
}

type peer struct {
	t    testing.TB
	conn *websocket.Conn
}

func dial(t testing.TB, url string) *peer {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), url, nil)
	require.NoError(t, err)
	conn.SetReadLimit(8 << 20)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &peer{t: t, conn: conn}
}

func (p *peer) write(format string, a ...any) {
	p.t.Helper()
	require.NoError(p.t, p.conn.Write(p.t.Context(), websocket.MessageText, fmt.Appendf(nil, format, a...)))
}

func (p *peer) read() []any {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	_, msg, err := p.conn.Read(ctx)
	require.NoError(p.t, err)
	var fields []any
	require.NoError(p.t, json.Unmarshal(msg, &fields), "%s", msg)
	return fields
}

// publish sends an event and gives the last two fields of its OK.
func (p *peer) publish(e *event.Event) (bool, string) {
	p.t.Helper()
	p.write(`["EVENT",%s]`, e.Event)
	m := p.read()
	require.Equal(p.t, []any{"OK", e.Event.ID}, m[:2])
	return m[2].(bool), m[3].(string)
}

// accepted fails the test when the relay refuses the event.
func (p *peer) accepted(events ...*event.Event) {
	p.t.Helper()
	for _, e := range events {
		ok, msg := p.publish(e)
		require.True(p.t, ok, "kind %d: %s", e.Kind, msg)
		require.Empty(p.t, msg)
	}
}

func (p *peer) refused(e *event.Event, want string) {
	p.t.Helper()
	ok, msg := p.publish(e)
	require.False(p.t, ok)
	require.Equal(p.t, want, msg)
}

// ids gives what a REQ brings.
func (p *peer) ids(filter string) []string {
	p.t.Helper()
	p.write(`["REQ","q",%s]`, filter)
	out := []string{}
	for {
		switch m := p.read(); m[0] {
		case "EVENT":
			out = append(out, m[2].(map[string]any)["id"].(string))
		case "EOSE":
			p.write(`["CLOSE","q"]`)
			return out
		default:
			require.Fail(p.t, "unexpected message", "%v", m)
		}
	}
}
