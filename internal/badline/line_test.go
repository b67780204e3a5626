package badline_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ngit-sync/ngit-sync/internal/badline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const soon = 20 * time.Second

// echo sends every line back.
func echo(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c) // ends with the connection
				_ = c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func listen(t *testing.T, o badline.Options) *badline.Line {
	t.Helper()
	l, err := badline.Listen(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return l
}

type talk struct {
	t *testing.T
	net.Conn
	lines *bufio.Reader
}

func dial(t *testing.T, l *badline.Line) *talk {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(soon)))
	return &talk{t: t, Conn: c, lines: bufio.NewReader(c)}
}

func (c *talk) say(line string) {
	c.t.Helper()
	_, err := io.WriteString(c, line+"\n")
	require.NoError(c.t, err)
}

func (c *talk) hear(want string) {
	c.t.Helper()
	got, err := c.lines.ReadString('\n')
	require.NoError(c.t, err)
	require.Equal(c.t, want, strings.TrimSpace(got))
}

func (c *talk) ends() error {
	c.t.Helper()
	_, err := c.lines.ReadByte()
	require.Error(c.t, err)
	require.NotErrorIs(c.t, err, context.DeadlineExceeded)
	return err
}

// silent reports that nothing comes for a moment.
func (c *talk) silent() {
	c.t.Helper()
	require.NoError(c.t, c.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err := c.lines.ReadByte()
	var timeout net.Error
	require.ErrorAs(c.t, err, &timeout)
	require.True(c.t, timeout.Timeout())
	require.NoError(c.t, c.SetReadDeadline(time.Now().Add(soon)))
}

func TestADelayIsNoLimit(t *testing.T) {
	const each = 30 * time.Millisecond
	l := listen(t, badline.Options{Target: echo(t), Weather: badline.Weather{Delay: each}})
	c := dial(t, l)
	start := time.Now()
	for i := range 100 {
		c.say(fmt.Sprint(i))
	}
	for i := range 100 {
		c.hear(fmt.Sprint(i))
	}
	took := time.Since(start)
	require.GreaterOrEqual(t, took, 2*each)
	require.Less(t, took, 50*2*each, "at the same time")
}

func TestARateIsALimit(t *testing.T) {
	l := listen(t, badline.Options{Target: echo(t), Weather: badline.Weather{Rate: 10_000}})
	c := dial(t, l)
	word := strings.Repeat("x", 1999)
	start := time.Now()
	c.say(word)
	c.hear(word)
	require.GreaterOrEqual(t, time.Since(start), 190*time.Millisecond)
}

func TestWhatIsHeldArrivesLater(t *testing.T) {
	l := listen(t, badline.Options{Target: echo(t)})
	c := dial(t, l)
	c.say("before")
	c.hear("before")
	require.NoError(t, l.Set(badline.Weather{Hold: true}))
	c.say("held")
	c.silent()
	require.NoError(t, l.Set(badline.Weather{}))
	c.hear("held")
}

func TestEndsOfAConnection(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(*badline.Line) int
		want error
	}{
		"cut":   {(*badline.Line).Cut, io.EOF},
		"reset": {(*badline.Line).Reset, syscall.ECONNRESET},
	} {
		t.Run(name, func(t *testing.T) {
			l := listen(t, badline.Options{Target: echo(t)})
			c := dial(t, l)
			c.say("before")
			c.hear("before")
			require.Equal(t, 1, tt.end(l))
			require.ErrorIs(t, c.ends(), tt.want)
			again := dial(t, l)
			again.say("after")
			again.hear("after")
		})
	}
}

// A half-open connection stays as it is, whatever either side says, and others are not concerned.
func TestSwallowedConnectionsStayOpen(t *testing.T) {
	l := listen(t, badline.Options{Target: echo(t)})
	c := dial(t, l)
	c.say("before")
	c.hear("before")
	require.Equal(t, 1, l.Swallow())
	c.say("lost")
	c.silent()
	other := dial(t, l)
	other.say("heard")
	other.hear("heard")
	c.silent()
	l.Close()
	require.Error(t, c.ends())
}

// The target of a connection that is hung up goes on waiting for its client.
func TestHungUpConnectionsStayOpenForTheTarget(t *testing.T) {
	target, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = target.Close() })
	l := listen(t, badline.Options{Target: target.Addr().String()})
	client := dial(t, l)
	c, err := target.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(soon)))
	server := &talk{t: t, Conn: c, lines: bufio.NewReader(c)}
	client.say("before")
	server.hear("before")
	require.Equal(t, 1, l.HangUp())
	require.ErrorIs(t, client.ends(), io.EOF)
	server.silent()
	server.say("lost")
	server.silent()
	l.Close()
	require.Error(t, server.ends())
}

func TestWhoIsNotAnswered(t *testing.T) {
	l := listen(t, badline.Options{Target: echo(t), Weather: badline.Weather{Mute: true}})
	mute := dial(t, l)
	mute.say("hello")
	mute.silent()
	require.NoError(t, l.Set(badline.Weather{Refuse: true}))
	_, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.NoError(t, l.Set(badline.Weather{}))
	c := dial(t, l)
	c.say("there")
	c.hear("there")
}

// counter says numbers of different length over websocket, a client's word starts it.
func counter(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionNoContextTakeover})
		if err != nil {
			return
		}
		defer ws.CloseNow()
		for _, _, err := ws.Read(r.Context()); err == nil; _, _, err = ws.Read(r.Context()) {
			for i := range words {
				if ws.Write(r.Context(), websocket.MessageText, []byte(word(i))) != nil {
					return
				}
			}
		}
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

const words = 5

// word is 10 to 100,000 bytes long.
func word(i int) string {
	return strings.Repeat(fmt.Sprintf("%010d", i), []int{1, 12, 20, 6000, 10_000}[i])
}

func dialSocket(t *testing.T, l *badline.Line) *websocket.Conn {
	t.Helper()
	ws, _, err := websocket.Dial(t.Context(), l.URL(), &websocket.DialOptions{CompressionMode: websocket.CompressionNoContextTakeover})
	require.NoError(t, err)
	ws.SetReadLimit(1 << 20)
	t.Cleanup(func() { _ = ws.CloseNow() })
	return ws
}

// heard reads words until there are so many, or the connection ends.
func heard(t *testing.T, ws *websocket.Conn, n int) (out []string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	for len(out) < n {
		_, msg, err := ws.Read(ctx)
		if err != nil {
			require.NotErrorIs(t, err, context.DeadlineExceeded)
			return out, err
		}
		out = append(out, string(msg))
	}
	return out, nil
}

func TestEveryMessageArrivesTwice(t *testing.T) {
	l := listen(t, badline.Options{Target: counter(t), Frames: true})
	ws := dialSocket(t, l)
	var once, twice []string
	for i := range words {
		once = append(once, word(i))
		twice = append(twice, word(i), word(i))
	}
	for _, tt := range []struct {
		twice bool
		want  []string
	}{{false, once}, {true, twice}, {false, once}} {
		require.NoError(t, l.Set(badline.Weather{Twice: tt.twice}))
		require.NoError(t, ws.Write(t.Context(), websocket.MessageText, []byte("go")))
		got, err := heard(t, ws, len(tt.want))
		require.NoError(t, err)
		require.True(t, slices.Equal(tt.want, got))
	}
}

func TestAFrameIsTornOrGarbled(t *testing.T) {
	for name, spoil := range map[string]func(*badline.Line) int{
		"torn":    (*badline.Line).Tear,
		"garbled": (*badline.Line).Garble,
	} {
		t.Run(name, func(t *testing.T) {
			l := listen(t, badline.Options{Target: counter(t), Frames: true})
			ws := dialSocket(t, l)
			require.NoError(t, ws.Write(t.Context(), websocket.MessageText, []byte("go")))
			_, err := heard(t, ws, words)
			require.NoError(t, err)
			require.Equal(t, 1, spoil(l))
			require.NoError(t, ws.Write(t.Context(), websocket.MessageText, []byte("go")))
			got, err := heard(t, ws, words)
			require.Error(t, err)
			require.NotContains(t, got, word(0))
			require.Less(t, len(got), 2)
		})
	}
}
