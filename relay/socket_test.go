package relay

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

const testURL relayurl.URL = "ws://relay.example"

func testDialer(r *relaytest.Relay, change func(*DialerOptions)) *Dialer {
	o := DialerOptions{DialContext: r.DialContext}
	if change != nil {
		change(&o)
	}
	return NewDialer(o)
}

// mustDial opens a socket that is closed at the end of the test.
func mustDial(t *testing.T, d *Dialer) *Socket {
	t.Helper()
	s, f := d.Dial(t.Context(), testURL, Stranger)
	require.Nil(t, f)
	t.Cleanup(s.Close)
	return s
}

func send(t *testing.T, s *Socket, sub string, filters ...nostr.Filter) {
	t.Helper()
	msg, err := EncodeREQ(sub, filters)
	require.NoError(t, err)
	require.NoError(t, s.Send(msg))
}

func TestSocketAsksAndHears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notes := relaytest.Notes(3, 1, 1000)
		r := relaytest.Start(t, relaytest.Options{Events: notes, Challenge: "say this"})
		s := mustDial(t, testDialer(r, func(o *DialerOptions) { o.UserAgent = UserAgent("1.0", "mailto:a@b") }))

		require.Equal(t, Frame{Kind: FrameAuth, Text: "say this", n: 1}, stripped(<-s.Frames()))
		send(t, s, `odd "id"\`, nostr.Filter{Kinds: []int{1}})
		for _, n := range notes {
			f := <-s.Frames()
			require.Equal(t, FrameEvent, f.Kind)
			require.Equal(t, `odd "id"\`, f.Sub)
			require.Contains(t, string(f.Event), n.ID)
		}
		require.Equal(t, Frame{Kind: FrameEOSE, Sub: `odd "id"\`, n: 5}, stripped(<-s.Frames()))

		live := relaytest.Event(1, 1, 2000, "live")
		r.Publish(live)
		require.Contains(t, string((<-s.Frames()).Event), live.ID)
		require.Equal(t, []string{"ngit-sync/1.0 (+mailto:a@b)"}, r.UserAgents())

		s.Close()
		require.Equal(t, health.CauseLocal, s.Failure().Cause)
		require.ErrorIs(t, s.Send([]byte("x")), ErrClosed)
		_, open := <-s.Frames()
		require.False(t, open)
	})
}

// stripped leaves what a frame says.
func stripped(f Frame) Frame {
	f.At, f.Size, f.held = time.Time{}, 0, 0
	return f
}

func TestSocketEnds(t *testing.T) {
	tests := []struct {
		name   string
		script relaytest.Options
		opts   func(*DialerOptions)
		act    func(*relaytest.Relay, *Socket)
		cause  health.Cause
		after  time.Duration
	}{
		{
			name:   "pings unanswered",
			script: relaytest.Options{NoPong: true},
			cause:  health.CauseTimeout, after: 40 * time.Second,
		},
		{
			name:   "pings unanswered, shorter",
			script: relaytest.Options{NoPong: true},
			opts:   func(o *DialerOptions) { o.Socket.PingEvery, o.Socket.PongWait = 2*time.Second, time.Second },
			cause:  health.CauseTimeout, after: 3 * time.Second,
		},
		{
			name:   "relay stops reading",
			script: relaytest.Options{Deaf: true},
			cause:  health.CauseTimeout, after: 40 * time.Second,
		},
		{
			name:   "relay stops reading in a message",
			script: relaytest.Options{Deaf: true},
			opts:   func(o *DialerOptions) { o.Socket.WriteWait = 7 * time.Second },
			act:    func(_ *relaytest.Relay, s *Socket) { _ = s.Send(make([]byte, 200_000)) },
			cause:  health.CauseTimeout, after: 7 * time.Second,
		},
		{
			name:   "outgoing queue overflows",
			script: relaytest.Options{Deaf: true},
			opts:   func(o *DialerOptions) { o.Socket.SendFrames = 4 },
			act: func(_ *relaytest.Relay, s *Socket) {
				for s.Send(make([]byte, 100_000)) == nil {
				}
			},
			cause: health.CauseTimeout,
		},
		{
			name:   "outgoing bytes overflow",
			script: relaytest.Options{Deaf: true},
			opts:   func(o *DialerOptions) { o.Socket.SendBytes = 100_000 },
			act: func(_ *relaytest.Relay, s *Socket) {
				for s.Send(make([]byte, 70_000)) == nil {
				}
			},
			cause: health.CauseTimeout,
		},
		{
			name:  "connection cut",
			act:   func(r *relaytest.Relay, _ *Socket) { r.Drop() },
			cause: health.CauseLost,
		},
		{
			name: "message far too large",
			act: func(r *relaytest.Relay, _ *Socket) {
				r.Broadcast(`["NOTICE","` + strings.Repeat("x", hardLimit) + `"]`)
			},
			cause: health.CauseProtocol,
		},
		{
			name:  "closed by us",
			act:   func(_ *relaytest.Relay, s *Socket) { go s.Close() },
			cause: health.CauseLocal,
		},
		{
			name:   "closed by us, relay half-open",
			script: relaytest.Options{Deaf: true},
			act:    func(_ *relaytest.Relay, s *Socket) { go s.Close() },
			cause:  health.CauseLocal, after: time.Second,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := relaytest.Start(t, tt.script)
				s := mustDial(t, testDialer(r, tt.opts))
				synctest.Wait() // the relay has the connection
				start := time.Now()
				if tt.act != nil {
					tt.act(r, s)
				}
				for range s.Frames() {
				}
				<-s.Done()
				require.Equal(t, tt.cause, s.Failure().Cause, "%v", s.Failure())
				require.Equal(t, tt.after, time.Since(start))
			})
		})
	}
}

func TestLargeMessagesAreLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := relaytest.Start(t, relaytest.Options{})
		s := mustDial(t, testDialer(r, func(o *DialerOptions) { o.MessageBytes = 1000 }))
		synctest.Wait()
		fits := `["NOTICE","` + strings.Repeat("x", 1000-len(`["NOTICE",""]`)) + `"]`
		r.Broadcast(fits)
		r.Broadcast(fits + " ")
		r.Broadcast(`["EVENT" , "h1-1",{"content":"` + strings.Repeat("x", 300_000) + `"}]`)
		r.Broadcast(`["NOTICE","still here"]`)

		require.Equal(t, FrameNotice, (<-s.Frames()).Kind)
		require.Equal(t, Frame{Kind: Broken, Err: errLarge, n: 2}, stripped(<-s.Frames()))
		require.Equal(t, Frame{Kind: Broken, Err: errLarge, Sub: "h1-1", n: 3}, stripped(<-s.Frames()))
		require.Equal(t, "still here", (<-s.Frames()).Text)
	})
}

// TestFramesThatWaitAreBoundedInBytes: sixteen of the largest frames from each of a thousand relays would be 64 GiB.
func TestFramesThatWaitAreBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := relaytest.Start(t, relaytest.Options{})
		s := mustDial(t, testDialer(r, func(o *DialerOptions) { o.MessageBytes, o.Socket.FrameBytes = 1<<20, 250_000 }))
		notice := `["NOTICE","` + strings.Repeat("x", 100_000) + `"]`
		for range 10 {
			r.Broadcast(notice)
		}
		r.Broadcast(`["NOTICE","` + strings.Repeat("x", 900_000) + `"]`)
		r.Broadcast(`["NOTICE","last"]`)
		synctest.Wait()
		var got []string
		for range 12 {
			if len(s.Frames()) > 1 { // a frame that is larger than the bound waits alone
				require.LessOrEqual(t, s.waiting.Load(), int64(2*len(notice)))
			}
			f := <-s.Frames()
			got = append(got, f.Text)
			s.Took(f)
			synctest.Wait()
		}
		require.Contains(t, got, "last")
		require.Zero(t, s.waiting.Load())
	})
}

func TestFramesThatWaitAreBoundedInNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := relaytest.Start(t, relaytest.Options{})
		s := mustDial(t, testDialer(r, func(o *DialerOptions) { o.Socket.FrameBuffer = 5 }))
		for range 100 {
			r.Broadcast(`["NOTICE","x"]`)
		}
		synctest.Wait()
		require.Len(t, s.Frames(), 5)
		for range 100 {
			s.Took(<-s.Frames())
		}
	})
}

// TestOutgoingMessagesAreBounded: a relay that does not read holds no more than that, and the message that is being written.
func TestOutgoingMessagesAreBounded(t *testing.T) {
	for name, tt := range map[string]struct {
		opts func(*SocketOptions)
		size int
		most int
	}{
		"in number": {func(o *SocketOptions) { o.SendFrames = 10 }, 70_000, 10},
		"in bytes":  {func(o *SocketOptions) { o.SendBytes = 700_000 }, 70_000, 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := relaytest.Start(t, relaytest.Options{Deaf: true})
				s := mustDial(t, testDialer(r, func(o *DialerOptions) { tt.opts(&o.Socket) }))
				n := 0
				for ; s.Send(make([]byte, tt.size)) == nil; n++ {
					synctest.Wait() // the writer has what it takes
				}
				require.InDelta(t, tt.most, n, 2)
				<-s.Done()
				require.Equal(t, health.CauseTimeout, s.Failure().Cause)
			})
		})
	}
}

func TestPingSparesABusyConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := relaytest.Start(t, relaytest.Options{Events: relaytest.Notes(100, 1, 1000)})
		s := mustDial(t, testDialer(r, nil))
		send(t, s, "x", nostr.Filter{Kinds: []int{1}})
		time.Sleep(10 * time.Minute) // the consumer is away: the reader sees no pong
		n := 0
		for f := range s.Frames() {
			n++
			if f.Kind == FrameEOSE {
				break
			}
		}
		require.Equal(t, 101, n)
		time.Sleep(10 * time.Minute)
		require.NoError(t, s.Send(EncodeClose("x")))
	})
}

func TestPongsKeepASilentConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := relaytest.Start(t, relaytest.Options{})
		s := mustDial(t, testDialer(r, nil))
		start := time.Now()
		time.Sleep(time.Hour + 15*time.Second)
		require.Equal(t, time.Hour, s.LastHeard().Sub(start))
		require.Nil(t, s.Failure())
	})
}

func TestCloseWaitsForNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := relaytest.Start(t, relaytest.Options{Events: relaytest.Notes(100, 1, 1000)})
		s := mustDial(t, testDialer(r, nil))
		send(t, s, "x", nostr.Filter{Kinds: []int{1}})
		synctest.Wait() // the reader waits for a consumer that never comes
		start := time.Now()
		s.Close()
		require.LessOrEqual(t, time.Since(start), time.Second)
	})
}

func TestDialFailuresAreTyped(t *testing.T) {
	tests := []struct {
		name   string
		script relaytest.Options
		act    func(*relaytest.Relay)
		opts   func(*DialerOptions)
		want   health.Failure
	}{
		{name: "refused", act: func(r *relaytest.Relay) { r.Down(true) }, want: health.Failure{Cause: health.CauseRefused}},
		{name: "status", script: relaytest.Options{HandshakeStatus: 404}, want: health.Failure{Cause: health.CauseHTTP, HTTPStatus: 404}},
		{name: "ok is no handshake", script: relaytest.Options{HandshakeStatus: 200}, want: health.Failure{Cause: health.CauseHTTP, HTTPStatus: 200}},
		{
			name: "redirect", script: relaytest.Options{HandshakeStatus: 302},
			want: health.Failure{Cause: health.CauseHTTP, HTTPStatus: 302},
		},
		{
			name: "too many requests", script: relaytest.Options{HandshakeStatus: 429, RetryAfter: "120"},
			want: health.Failure{Cause: health.CauseRateLimit, HTTPStatus: 429, RetryAfter: 2 * time.Minute},
		},
		{
			name: "unavailable for a while", script: relaytest.Options{HandshakeStatus: 503, RetryAfter: "Sat, 01 Jan 2000 00:01:00 GMT"},
			want: health.Failure{Cause: health.CauseHTTP, HTTPStatus: 503, RetryAfter: time.Minute},
		},
		{name: "slow", script: relaytest.Options{HandshakeDelay: time.Hour}, want: health.Failure{Cause: health.CauseTimeout}},
		{
			name: "unknown name",
			opts: func(o *DialerOptions) { o.DialContext = new(relaytest.Network).DialContext },
			want: health.Failure{Cause: health.CauseDNS},
		},
		{
			name: "no rewrite",
			opts: func(o *DialerOptions) {
				o.Rewrite = func(relayurl.URL) (string, error) { return "", net.ErrClosed }
			},
			want: health.Failure{Cause: health.CausePolicy},
		},
		{
			name: "speaks no HTTP", opts: func(o *DialerOptions) { o.DialContext = answering("SSH-2.0-OpenSSH_9.2\r\n") },
			want: health.Failure{Cause: health.CauseProtocol},
		},
		{
			name: "hangs up", opts: func(o *DialerOptions) { o.DialContext = answering("") },
			want: health.Failure{Cause: health.CauseLost},
		},
		{
			name: "wrong key in the handshake",
			opts: func(o *DialerOptions) {
				o.DialContext = answering("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n")
			},
			want: health.Failure{Cause: health.CauseProtocol},
		},
		{
			name: "no TLS there",
			opts: func(o *DialerOptions) {
				o.Rewrite = func(relayurl.URL) (string, error) { return "wss://relay.example", nil }
				o.DialContext = answering("HTTP/1.1 400 Bad Request\r\n\r\n")
			},
			want: health.Failure{Cause: health.CauseTLS},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := relaytest.Start(t, tt.script)
				if tt.act != nil {
					tt.act(r)
				}
				start := time.Now()
				s, f := testDialer(r, tt.opts).Dial(t.Context(), testURL, Stranger)
				require.Nil(t, s)
				require.NotNil(t, f)
				require.LessOrEqual(t, time.Since(start), 10*time.Second)
				require.ErrorContains(t, f, f.Cause.String()+": ")
				require.NotContains(t, f.Error(), "failed to")
				require.NotContains(t, f.Error(), string(testURL), "what shows it names the relay")
				f.Err = nil
				require.Equal(t, tt.want, *f)
			})
		})
	}
}

func TestHeadersOfAHandshakeAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int64
		d := NewDialer(DialerOptions{DialContext: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() {
				defer server.Close()
				if _, err := server.Read(make([]byte, 4096)); err != nil {
					return
				}
				line := "HTTP/1.1 101 Switching Protocols\r\n"
				for err := error(nil); err == nil; line = "X: " + strings.Repeat("x", 1000) + "\r\n" {
					var n int
					n, err = server.Write([]byte(line))
					sent.Add(int64(n))
				}
			}()
			return client, nil
		}})
		_, f := d.Dial(t.Context(), testURL, Stranger)
		require.NotNil(t, f)
		require.ErrorContains(t, f, "header")
		require.Less(t, sent.Load(), int64(128<<10))
	})
}

// answering gives connections whose other end reads a request and then sends a text.
func answering(text string) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			buf := make([]byte, 4096)
			if _, err := server.Read(buf); err == nil {
				_, _ = server.Write([]byte(text))
			}
		}()
		return client, nil
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := relaytest.Start(t, relaytest.Options{HandshakeDelay: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, f := testDialer(r, nil).Dial(ctx, testURL, Stranger)
		require.Equal(t, health.CauseLocal, f.Cause)
	})
}

func TestSocketOverTCP(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{Events: relaytest.Notes(3, 1, 1000)})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := &http.Server{Handler: r}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	url := relayurl.URL("ws://" + l.Addr().String())

	d := NewDialer(DialerOptions{})
	_, f := d.Dial(t.Context(), url, Stranger)
	require.Equal(t, health.CausePolicy, f.Cause, "the guard sits at the socket")
	s, f := d.Dial(t.Context(), url, Operator)
	require.Nil(t, f)
	defer s.Close()
	send(t, s, "x", nostr.Filter{Kinds: []int{1}, Limit: 1})
	require.Equal(t, FrameEvent, (<-s.Frames()).Kind)
	require.Equal(t, FrameEOSE, (<-s.Frames()).Kind)
}
