package relay

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// DialerOptions configure how sockets to relays are opened. Zero values mean the defaults.
type DialerOptions struct {
	UserAgent      string         // see UserAgent
	AllowPrivate   []netip.Prefix // ranges that strangers may make us dial all the same
	ConnectTimeout time.Duration  // DNS to handshake, 10 s
	DocumentWait   time.Duration  // for a NIP-11 document, 5 s
	DocumentAge    time.Duration  // so long a document is not fetched again, 24 h
	PerAddress     int            // sockets open to one address (IPv6: /64) that strangers named, 4
	MessageBytes   int64          // of one incoming message that is kept, 1 MiB
	TLS            *tls.Config    // nil: the system's
	Proxy          *Proxy         // nil: every dial goes out directly
	Socket         SocketOptions

	// DialContext takes the place of the TCP dial, and of the guard and the count of PerAddress that sit in it.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Rewrite maps a relay's name to the URL that is dialled; nil is the identity.
	Rewrite func(relayurl.URL) (string, error)
}

func (o DialerOptions) withDefaults() DialerOptions {
	def(&o.ConnectTimeout, 10*time.Second)
	def(&o.DocumentWait, 5*time.Second)
	def(&o.DocumentAge, 24*time.Hour)
	def(&o.PerAddress, 4)
	def(&o.MessageBytes, 1<<20)
	if o.UserAgent == "" {
		o.UserAgent = UserAgent("", "")
	}
	if o.Rewrite == nil {
		o.Rewrite = func(u relayurl.URL) (string, error) { return string(u), nil }
	}
	o.Socket = o.Socket.withDefaults()
	return o
}

// def sets v to its default when it is zero.
func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// UserAgent names the program and whom to ask about it; both parts may be empty.
func UserAgent(version, contact string) string {
	ua := "ngit-sync"
	if version != "" {
		ua += "/" + version
	}
	if contact != "" {
		ua += " (+" + contact + ")"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, ua)
}

// Dialer opens sockets to relays. It is safe for concurrent use.
type Dialer struct {
	opts      DialerOptions
	sockets   [2]*http.Client // by Trust
	fetchers  [2]*http.Client // of documents, by Trust
	proxied   *http.Client    // of both, through the proxy
	guard     guard
	crowd     *crowd // in sockets[Stranger]
	documents documents
}

// NewDialer makes a Dialer; it holds no connections of its own.
func NewDialer(o DialerOptions) *Dialer {
	o = o.withDefaults()
	// A dial that ends before its handshake's time is up says what it was waiting for.
	tcp := o.ConnectTimeout * 9 / 10
	g := guard{allow: o.AllowPrivate}
	d := &Dialer{
		opts:      o,
		guard:     g,
		crowd:     &crowd{guard: g, exempt: o.AllowPrivate, most: o.PerAddress, wait: tcp},
		documents: documents{age: o.DocumentAge},
	}
	d.sockets[Stranger] = d.newClient(d.crowd.DialContext, nil)
	d.sockets[Operator] = d.newClient((&net.Dialer{Timeout: tcp}).DialContext, nil)
	d.fetchers[Stranger] = d.newClient((&net.Dialer{ControlContext: g.control, Timeout: tcp}).DialContext, nil)
	d.fetchers[Operator] = d.sockets[Operator]
	if o.Proxy != nil {
		d.proxied = d.newClient((&net.Dialer{Timeout: tcp}).DialContext, http.ProxyURL(o.Proxy.URL))
	}
	return d
}

func (d *Dialer) newClient(
	dial func(ctx context.Context, network, addr string) (net.Conn, error), proxy func(*http.Request) (*url.URL, error),
) *http.Client {
	if d.opts.DialContext != nil {
		dial = d.opts.DialContext
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  proxy,
			DialContext:            dial,
			TLSClientConfig:        d.opts.TLS,
			DisableKeepAlives:      true, // nothing stays open between a document and a socket
			DisableCompression:     true,
			ForceAttemptHTTP2:      false,
			MaxResponseHeaderBytes: 64 << 10,
		},
		// A redirect would lead around the operator's lists and names (DESIGN §11).
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Dial opens a websocket to a relay. It waits at most ConnectTimeout; the failure is typed.
func (d *Dialer) Dial(ctx context.Context, u relayurl.URL, trust Trust) (*Socket, *health.Failure) {
	target, err := d.opts.Rewrite(u)
	if err != nil {
		return nil, &health.Failure{Cause: health.CausePolicy, Err: err}
	}
	client, err := d.client(u, trust, false)
	if err != nil {
		return nil, dialFailure(ctx, nil, err)
	}
	dctx, cancel := context.WithTimeout(ctx, d.opts.ConnectTimeout)
	defer cancel()
	heard := newEar(d.opts.Socket.PingRate, time.Now())
	conn, resp, err := websocket.Dial(dctx, target, &websocket.DialOptions{
		HTTPClient:      client,
		HTTPHeader:      http.Header{"User-Agent": {d.opts.UserAgent}},
		CompressionMode: websocket.CompressionDisabled,
		OnPingReceived:  func(ctx context.Context, _ []byte) bool { heard.control(ctx); return true },
		OnPongReceived:  func(ctx context.Context, _ []byte) { heard.control(ctx) },
	})
	if err != nil {
		return nil, dialFailure(ctx, resp, err)
	}
	return newSocket(conn, heard, d.opts.MessageBytes, d.opts.Socket), nil
}
