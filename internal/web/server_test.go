package web

import (
	"context"
	"io"
	"net"
	"net/http"
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

func get(t *testing.T, client *http.Client, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

func newClient(t *testing.T) *http.Client {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute}
}

func TestServerServesAndStops(t *testing.T) {
	url, stop := start(t, options(sample(), conditions(false)))
	client := newClient(t)
	code, body := get(t, client, url+"/healthz")
	require.Equal(t, 200, code)
	require.Equal(t, "ok\n", body)
	require.NoError(t, stop())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := client.Do(req)
	if err == nil {
		resp.Body.Close()
	}
	require.Error(t, err, "nothing listens after Run returned")
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
	codes := make(chan int, 1)
	go func() {
		code, _ := get(t, client, "http://"+s.Addr().String()+"/readyz")
		codes <- code
	}()
	<-entered
	cancel()
	require.Equal(t, 200, <-codes)
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
