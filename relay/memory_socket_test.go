package relay

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/heaptest"
)

// unread gives connections to a relay that keeps nothing itself, so that what is measured is ours. After the handshake it reads nothing, and
// sends 64 messages of so many bytes as they are taken, all of which is kept for the parser.
func unread(size int) func(context.Context, string, string) (net.Conn, error) {
	const head, tail = `["EVENT","x",{"content":"`, `"}]`
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			req, err := http.ReadRequest(bufio.NewReader(server))
			if err != nil {
				return
			}
			key := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455
			_, err = fmt.Fprintf(server, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n",
				base64.StdEncoding.EncodeToString(key[:]))
			filler := bytes.Repeat([]byte("x"), 4096)
			for n := 0; n < 64 && size > 0 && err == nil; n++ {
				_, err = server.Write(append(binary.BigEndian.AppendUint64([]byte{0x81, 127}, uint64(size)), head...))
				for left := size - len(head+tail); left > 0 && err == nil; left -= len(filler) {
					_, err = server.Write(filler[:min(left, len(filler))])
				}
				if err == nil {
					_, err = server.Write([]byte(tail))
				}
			}
		}()
		return client, nil
	}
}

// filled gives a socket to such a relay. Nothing is taken of it, and no more is read.
func filled(t *testing.T, size int) *Socket {
	s := mustDial(t, NewDialer(DialerOptions{DialContext: unread(size), MessageBytes: 4 << 20}))
	synctest.Wait()
	return s
}

// What is cut off a text does not stay in memory with the rest.
func TestClippedTextsKeepNothingElse(t *testing.T) {
	long := strings.Repeat("x", 30_000)
	for name, tt := range map[string]struct {
		most int64 // of a thousand
		n    int64 // thousands: so many that a megabyte is kept, beside which what tests before give back is little
		kept func(t *testing.T) any
	}{
		"notice":      {2 << 20, 1, func(*testing.T) any { return SplitFrame([]byte(`["NOTICE","` + long + `"]`)).Text }},
		"bare notice": {2 << 20, 1, func(*testing.T) any { return SplitFrame([]byte(`["NOTICE",[` + long + `]]`)).Text }},
		"reason":      {2 << 20, 1, func(*testing.T) any { return SplitFrame([]byte(`["CLOSED","x","` + long + `"]`)).Text }},
		"NEG-ERR":     {2 << 20, 1, func(*testing.T) any { return SplitFrame([]byte(`["NEG-ERR","x","` + long + `",5]`)).Text }},
		"document": {512 << 10, 4, func(t *testing.T) any {
			doc, err := ParseDocument([]byte(`{"name":"` + long[:3000] + `","software":"` + long[:3000] + `"}`))
			require.NoError(t, err)
			return doc
		}},
		"no document": {3 << 20, 1, func(t *testing.T) any {
			d := NewDialer(DialerOptions{DialContext: answering("HTTP/1.1 404 " + long + "\r\n\r\n")})
			_, f := d.Document(t.Context(), testURL, Stranger)
			require.Equal(t, 404, f.HTTPStatus)
			return d.documents.byURL[testURL]
		}},
		"failure of a handshake": {2 << 20, 1, func(t *testing.T) any {
			d := NewDialer(DialerOptions{DialContext: answering("HTTP/1.1 101 x\r\nConnection: " + long + "\r\n\r\n")})
			_, f := d.Dial(t.Context(), testURL, Stranger)
			require.Contains(t, f.Error(), "xxx")
			return f.Error()
		}},
		"reason of a failure": {1 << 20, 2, func(t *testing.T) any {
			return health.DefaultPolicy().Down(health.State{}, benchStart, &health.Failure{Cause: health.CauseProtocol, Err: errors.New(long + fmt.Sprint(t.Name()))})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			heaptest.Under(t, tt.most*tt.n, func() any {
				kept := make([]any, 1000*tt.n)
				for i := range kept {
					kept[i] = tt.kept(t)
				}
				return kept
			})
		})
	}
}
