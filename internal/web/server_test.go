package web

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, o Options) (url string, stop func() error) {
	t.Helper()
	s, err := Listen(t.Context(), o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return "http://" + s.Addr().String(), func() error { cancel(); return <-done }
}

type reply struct {
	code int
	body string
	err  error
}

func get(ctx context.Context, client *http.Client, url string) reply {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return reply{err: err}
	}
	resp, err := client.Do(req)
	if err != nil {
		return reply{err: err}
	}
	body, err := io.ReadAll(resp.Body)
	return reply{code: resp.StatusCode, body: string(body), err: errors.Join(err, resp.Body.Close())}
}

func newClient(t *testing.T) *http.Client {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute}
}

func TestServerServesAndStops(t *testing.T) {
	url, stop := start(t, options(sample(), conditions(false)))
	client := newClient(t)
	require.Equal(t, reply{code: 200, body: "ok\n"}, get(t.Context(), client, url+"/healthz"))
	require.NoError(t, stop())
	require.Error(t, get(t.Context(), client, url).err, "nothing listens after Run returned")
}

func TestARequestInProgressIsFinishedBeforeTheEnd(t *testing.T) {
	o := options(sample(), nil)
	entered, leave := make(chan struct{}), make(chan struct{})
	o.Conditions = func() []Condition {
		close(entered)
		<-leave
		return nil
	}
	s, err := Listen(t.Context(), o)
	require.NoError(t, err)
	s.http.RegisterOnShutdown(func() { close(leave) }) // the request ends only after the end of the server has begun
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Run(ctx) }()

	client := newClient(t)
	replies := make(chan reply, 1)
	go func() { replies <- get(t.Context(), client, "http://"+s.Addr().String()+"/readyz") }()
	<-entered
	cancel()
	require.Equal(t, reply{code: 200, body: "{\"ready\":true,\"conditions\":[]}\n"}, <-replies)
	require.NoError(t, <-stopped)
}

func TestATakenAddressIsAnErrorOfTheStart(t *testing.T) {
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	o := options(sample(), nil)
	o.Listen = l.Addr().String()
	_, err = Listen(t.Context(), o)
	require.ErrorContains(t, err, "http: listen tcp "+o.Listen)
}

// TestConnectionsBeyondTheirNumberWait: whoever holds all of them holds up the others, but costs no more.
func TestConnectionsBeyondTheirNumberWait(t *testing.T) {
	url, stop := start(t, options(sample(), conditions(false)))
	var held []net.Conn
	for range maxConnections {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", url[len("http://"):])
		require.NoError(t, err)
		held = append(held, c)
		_, err = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		_, err = c.Read(make([]byte, 1))
		require.NoError(t, err, "it is served, and stays open")
	}
	one, err := new(net.Dialer).DialContext(t.Context(), "tcp", url[len("http://"):])
	require.NoError(t, err)
	held = append(held, one)
	_, err = io.WriteString(one, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	require.NoError(t, one.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	_, err = one.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, held[0].Close())
	require.NoError(t, one.SetReadDeadline(time.Now().Add(time.Minute)))
	_, err = one.Read(make([]byte, 1))
	require.NoError(t, err, "there is a place")
	for _, c := range held {
		_ = c.Close()
	}
	require.NoError(t, stop())
}

func TestHeadersAreBounded(t *testing.T) {
	url, stop := start(t, options(sample(), conditions(false)))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/healthz", nil)
	require.NoError(t, err)
	req.Header.Set("X-Large", strings.Repeat("x", 2*maxHeaderBytes))
	resp, err := newClient(t).Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, resp.StatusCode)
	require.NoError(t, stop())
}

func TestServerHasDeadlinesAndBounds(t *testing.T) {
	s, err := Listen(t.Context(), options(sample(), nil))
	require.NoError(t, err)
	defer s.listener.Close()
	require.Positive(t, s.http.ReadHeaderTimeout)
	require.Positive(t, s.http.ReadTimeout)
	require.Positive(t, s.http.WriteTimeout)
	require.Positive(t, s.http.IdleTimeout)
	require.Positive(t, s.http.MaxHeaderBytes)
}
