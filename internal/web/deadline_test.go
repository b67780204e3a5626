package web

import (
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// oneConn is a listener that has one connection to give.
type oneConn struct {
	conn chan net.Conn
	done chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error   { close(l.done); return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// endsAfter serves one client that sends a text and then nothing, and reads from a moment on, and gives how long it had the connection.
func endsAfter(t *testing.T, sent string, reads time.Duration) (took time.Duration, got []byte) {
	s, err := Listen(t.Context(), options(sample(), nil))
	require.NoError(t, err)
	require.NoError(t, s.listener.Close())
	client, server := net.Pipe()
	l := &oneConn{conn: make(chan net.Conn, 1), done: make(chan struct{})}
	l.conn <- server
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(l) }()
	began := time.Now()
	_, err = client.Write([]byte(sent))
	require.NoError(t, err)
	<-time.After(reads)
	got, err = io.ReadAll(client)
	require.NoError(t, err)
	took = time.Since(began)
	require.NoError(t, s.http.Close())
	require.ErrorIs(t, <-served, http.ErrServerClosed)
	return took, got
}

func TestWhoSendsNoHeaderIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		took, _ := endsAfter(t, "GET / HTTP/1.1\r\nHost: example.com\r\n", 0)
		require.Equal(t, headerTimeout, took)
	})
}

func TestWhoTakesNoAnswerIsCutOff(t *testing.T) {
	const request = "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n"
	synctest.Test(t, func(t *testing.T) {
		_, got := endsAfter(t, request, writeTimeout-time.Second)
		require.Contains(t, string(got), "200 OK")
	})
	synctest.Test(t, func(t *testing.T) {
		_, got := endsAfter(t, request, writeTimeout+time.Second)
		require.Empty(t, got)
	})
}
