package relay

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Frames of a server: a ping and a pong without content, and a text message.
var (
	rawPing = []byte{0x89, 0}
	rawPong = []byte{0x8a, 0}
)

func rawText(s string) []byte { return append([]byte{0x81, byte(len(s))}, s...) }

// rawServer takes one connection, opens a websocket on it and writes bytes to it.
func rawServer(conn net.Conn, frames []byte) error {
	in := bufio.NewReader(conn)
	req, err := http.ReadRequest(in)
	if err != nil {
		return err
	}
	sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	_, err = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	if err != nil {
		return err
	}
	go func() { _, _ = io.Copy(io.Discard, in) }()
	_, err = conn.Write(frames)
	return err
}

// A relay that pings as fast as it can costs no more than one that pings ten times a second. Its connection stays: it answers.
func TestAFloodOfPingsIsReadSlowly(t *testing.T) {
	for name, frame := range map[string][]byte{"pings": rawPing, "pongs": rawPong} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				defer theirs.Close()
				few, many := bytes.Repeat(frame, 90), bytes.Repeat(frame, 1010)
				served := make(chan error, 1)
				go func() {
					served <- rawServer(theirs, bytes.Join([][]byte{few, rawText(`["NOTICE","soon"]`), many, rawText(`["NOTICE","late"]`)}, nil))
				}()
				d := NewDialer(DialerOptions{DialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil }})
				start := time.Now()
				s, failure := d.Dial(t.Context(), testURL, Stranger)
				require.Nil(t, failure)
				f := <-s.Frames()
				s.Took(f)
				require.Equal(t, "soon", f.Text)
				require.Zero(t, time.Since(start))
				f = <-s.Frames()
				s.Took(f)
				require.Equal(t, "late", f.Text)
				require.InDelta(t, 100, time.Since(start).Seconds(), 5)
				require.NoError(t, <-served)
				s.Close()
			})
		})
	}
}
