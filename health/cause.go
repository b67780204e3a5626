package health

import (
	"fmt"
	"strings"
	"time"
)

// Cause says why a connection could not be made or did not last. It is typed where it occurs; nobody decides by
// reading an error's text.
type Cause uint8

// Causes of a failure.
const (
	CauseNone      Cause = iota
	CauseDNS             // the name does not resolve
	CauseTLS             // certificate or handshake
	CauseRefused         // nothing listens there
	CauseTimeout         // no answer in time
	CauseHTTP            // an HTTP status instead of a websocket
	CauseProtocol        // broken frames, no nostr relay
	CausePolicy          // our dial guard, or the relay's CLOSED restricted
	CauseRateLimit       // HTTP 429, rate-limited prefixes
	CauseLost            // an open connection ended
	CauseLocal           // we hung up
	CauseCrowded         // our own bound of connections per address
)

var causes = [...]string{
	"none", "dns", "tls", "refused", "timeout", "http", "protocol", "policy", "rate limit", "lost", "local", "crowded",
}

// String is the value of logs and of the status page.
func (c Cause) String() string {
	if int(c) < len(causes) {
		return causes[c]
	}
	return "unknown"
}

// fault reports causes that count as a failure of the relay.
func (c Cause) fault() bool {
	return c != CauseLocal && c != CauseCrowded && c != CauseRateLimit
}

// network reports causes that a broken uplink, resolver, proxy or clock of ours would bring. A relay that answers with an HTTP
// status or asks for less, and an address that our own rules refuse, say nothing of it.
func (c Cause) network() bool {
	return c.persistent() || c == CauseRefused || c == CauseTimeout || c == CauseLost
}

// persistent reports causes that do not pass by waiting a little.
func (c Cause) persistent() bool {
	return c == CauseDNS || c == CauseTLS || c == CauseProtocol
}

// maxFailure is how much of an error's text is given, in bytes. A handshake's quotes what the relay has sent, 64 KiB of it.
const maxFailure = 1024

// Failure is a typed reason for the end of a connection.
type Failure struct {
	Cause      Cause
	HTTPStatus int           // CauseHTTP and CauseRateLimit
	RetryAfter time.Duration // stated by the relay, 0 when it did not
	Err        error
}

// Error is a text of its own, at most 1 KiB.
func (f *Failure) Error() string {
	if f.Err == nil {
		return f.Cause.String()
	}
	return cut(fmt.Sprintf("%s: %v", f.Cause, f.Err), maxFailure)
}

// cut keeps nothing of what it leaves out.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.Clone(text[:most])
}

func (f *Failure) Unwrap() error { return f.Err }
