package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/config"
)

// client talks to a running daemon, which it finds by http.listen.
type client struct {
	base  string
	token string // for changes
	http  *http.Client
}

const (
	clientTimeout = 30 * time.Second
	maxAnswer     = 64 << 20 // bytes
)

func newClient(cfg config.Config) client {
	host, port, err := net.SplitHostPort(cfg.HTTP.Listen)
	if err != nil {
		host, port = cfg.HTTP.Listen, "" // the dial says what is wrong with it
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "localhost"
	}
	return client{
		base: "http://" + net.JoinHostPort(host, port),
		http: &http.Client{
			Timeout:       clientTimeout,
			Transport:     &http.Transport{Proxy: nil}, // the daemon is here
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// get reads a JSON answer into v, and gives it as it came. A daemon that cannot be reached exits 3.
func (c client) get(ctx context.Context, path string, query url.Values, v any) ([]byte, error) {
	return c.ask(ctx, http.MethodGet, path, query, v)
}

// change orders a change, and gives its moment by the daemon's clock.
func (c client) change(ctx context.Context, verb string, query url.Values) (time.Time, error) {
	var answer struct {
		At time.Time `json:"at"`
	}
	_, err := c.ask(ctx, http.MethodPost, "/api/v1/relays/"+verb, query, &answer)
	return answer.At, err
}

func (c client) ask(ctx context.Context, method, path string, query url.Values, v any) ([]byte, error) {
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, http.NoBody)
	if err != nil {
		return nil, withCode(exitUsage, fmt.Errorf("http.listen: %w", err))
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if urlErr, ok := errors.AsType[*url.Error](err); ok {
			err = urlErr.Err
		}
		return nil, withCode(exitUnreachable, fmt.Errorf("no daemon answers at %s (http.listen): %w", c.base, err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, withCode(exitUnreachable, fmt.Errorf("read the answer of %s: %w", c.base, err))
	}
	if resp.StatusCode != http.StatusOK {
		return nil, refusal(resp.StatusCode, body)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return nil, fmt.Errorf("%s is no ngit-sync of this version: %w", c.base, err)
	}
	return body, nil
}

// refusal is the error of an answer that is not 200.
func refusal(code int, body []byte) error {
	var answer struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Error == "" {
		return fmt.Errorf("the daemon answers %d %s", code, http.StatusText(code))
	}
	err := errors.New(answer.Error)
	if code == http.StatusBadRequest {
		return usageError(err)
	}
	return err
}
