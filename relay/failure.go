package relay

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coder/websocket"

	"github.com/ngit-sync/ngit-sync/health"
)

// dialError is why a dial failed, in the words of the network or of the answer. What HTTP clients put before them (method, address,
// that it was a handshake) would fill the line in which an operator looks for the reason, and the relay is named beside it.
type dialError struct{ err error }

func (e *dialError) Error() string {
	var request *url.Error
	if errors.As(e.err, &request) {
		return request.Err.Error()
	}
	return strings.TrimPrefix(e.err.Error(), "failed to WebSocket dial: ")
}

func (e *dialError) Unwrap() error { return e.err }

// dialFailure types the error of a handshake. A response means that HTTP worked.
func dialFailure(ctx context.Context, resp *http.Response, err error) *health.Failure {
	f := &health.Failure{Err: &dialError{err}}
	switch {
	case ctx.Err() != nil:
		f.Cause = health.CauseLocal
	case resp != nil && resp.StatusCode == http.StatusSwitchingProtocols:
		f.Cause = health.CauseProtocol
	case resp != nil:
		statusFailure(f, resp)
	default:
		f.Cause = cause(err)
	}
	return f
}

// maxRetryAfter bounds what a relay may state: a day.
const maxRetryAfter = 24 * time.Hour

func statusFailure(f *health.Failure, resp *http.Response) {
	f.Cause = health.CauseHTTP
	f.HTTPStatus = resp.StatusCode
	if resp.StatusCode == http.StatusTooManyRequests {
		f.Cause = health.CauseRateLimit
	}
	f.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
}

// retryAfter reads seconds or a date (RFC 9110 §10.2.3); 0 when there is neither.
func retryAfter(v string, now time.Time) time.Duration {
	var d time.Duration
	if s, err := strconv.ParseInt(v, 10, 32); err == nil || errors.Is(err, strconv.ErrRange) {
		d = time.Duration(s) * time.Second // out of range it is the largest or smallest
	} else if at, err := http.ParseTime(v); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), maxRetryAfter)
}

// cause types a network error. What is none of the known kinds is what a relay would not do: a protocol fault.
func cause(err error) health.Cause {
	var (
		guarded *GuardError
		crowded *CrowdedError
		dns     *net.DNSError
		timeout net.Error
		op      *net.OpError
	)
	switch {
	case errors.As(err, &guarded):
		return health.CausePolicy
	case errors.As(err, &crowded):
		return health.CauseCrowded
	case errors.As(err, &dns):
		return health.CauseDNS
	case isTLS(err):
		return health.CauseTLS
	case errors.As(err, &op) && op.Op == "socks connect": // the proxy, of what is behind it
		return health.CauseRefused
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return health.CauseRefused
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return health.CauseTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe),
		errors.Is(err, net.ErrClosed), errors.As(err, &op):
		return health.CauseLost
	}
	return health.CauseProtocol
}

func isTLS(err error) bool {
	var (
		verify  *tls.CertificateVerificationError
		record  tls.RecordHeaderError
		alert   tls.AlertError
		ca      x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		op      *net.OpError
	)
	// The type of an alert is not exported; crypto/tls names it by the operation.
	if errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error") {
		return true
	}
	return errors.As(err, &verify) || errors.As(err, &record) || errors.As(err, &alert) || errors.As(err, &ca) ||
		errors.As(err, &host) || errors.As(err, &invalid) || errors.Is(err, http.ErrSchemeMismatch)
}

// readFailure types the end of an open connection as its reader sees it.
func readFailure(err error) *health.Failure {
	f := &health.Failure{Cause: health.CauseLost, Err: err}
	if errors.Is(err, websocket.ErrMessageTooBig) {
		f.Cause = health.CauseProtocol
		return f
	}
	switch websocket.CloseStatus(err) {
	case websocket.StatusPolicyViolation:
		f.Cause = health.CausePolicy
	case websocket.StatusTryAgainLater:
		f.Cause = health.CauseRateLimit
	case -1:
		f.Cause = cause(err)
	}
	return f
}
