package server

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// peer is a client under the test's control.
type peer struct {
	t    testing.TB
	conn *websocket.Conn
}

func start(t testing.TB, b Backend, l Limits) *Server {
	t.Helper()
	s, err := Listen(t.Context(), "127.0.0.1:0", Options{Backend: b, Limits: l, Info: Info{Name: "test", NIPs: []int{9}}})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, s.Close(ctx))
	})
	return s
}

func dial(t testing.TB, s *Server) *peer {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), s.URL(), nil)
	require.NoError(t, err)
	conn.SetReadLimit(8 << 20)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &peer{t: t, conn: conn}
}

func (p *peer) write(format string, a ...any) {
	p.t.Helper()
	require.NoError(p.t, p.conn.Write(p.t.Context(), websocket.MessageText, fmt.Appendf(nil, format, a...)))
}

// read gives the fields of the next message.
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

// want reads one message and compares it.
func (p *peer) want(fields ...any) {
	p.t.Helper()
	require.Equal(p.t, fields, p.read())
}

// page reads the contents of the events of one REQ up to its EOSE.
func (p *peer) page(sub, filters string) []string {
	p.t.Helper()
	p.write(`["REQ",%q,%s]`, sub, filters)
	out := []string{}
	for {
		m := p.read()
		switch m[0] {
		case "EVENT":
			require.Equal(p.t, sub, m[1])
			out = append(out, m[2].(map[string]any)["content"].(string))
		case "EOSE":
			require.Equal(p.t, sub, m[1])
			return out
		default:
			require.Fail(p.t, "unexpected message", "%v", m)
		}
	}
}

// publish sends an event and gives the last two fields of its OK.
func (p *peer) publish(e *event.Event) (bool, string) {
	p.t.Helper()
	p.write(`["EVENT",%s]`, e.Event)
	m := p.read()
	require.Equal(p.t, []any{"OK", e.Event.ID}, m[:2])
	return m[2].(bool), m[3].(string)
}

func (p *peer) sync() {
	p.t.Helper()
	p.write(`["COUNT","sync",{}]`)
	p.want("CLOSED", "sync", "unsupported: COUNT")
}

// sign makes an event by key number n.
func sign(t testing.TB, n, kind int, at int64, content string, tags ...nostr.Tag) *event.Event {
	t.Helper()
	var key [32]byte
	key[31] = byte(n + 1)
	e := nostr.Event{Kind: kind, CreatedAt: nostr.Timestamp(at), Content: content, Tags: tags}
	require.NoError(t, e.Sign(hex.EncodeToString(key[:])))
	out, err := event.Wrap(e)
	require.NoError(t, err)
	return out
}

// deaf is a TCP connection that opened a websocket and reads no more.
func deaf(t testing.TB, s *Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr())
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4096))
	t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", s.Addr())
	require.NoError(t, err)
	return conn
}

// deafWithLive is deaf once it has a live subscription to everything.
func deafWithLive(t testing.TB, s *Server) {
	t.Helper()
	conn := deaf(t, s)
	_, err := conn.Write(frameText(`["REQ","all",{"limit":0}]`))
	require.NoError(t, err)
	answers := bufio.NewReader(conn)
	for line := ""; !strings.Contains(line, "EOSE"); {
		line, err = answers.ReadString(']')
		require.NoError(t, err)
	}
}

// frameText masks a text frame with zeros, which leaves it readable.
func frameText(msg string) []byte {
	n := len(msg)
	head := []byte{0x81, 0x80 | 126, byte(n >> 8), byte(n), 0, 0, 0, 0}
	if n < 126 {
		head = []byte{0x81, 0x80 | byte(n), 0, 0, 0, 0}
	}
	return append(head, msg...)
}
