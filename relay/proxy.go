package relay

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// Proxy is a SOCKS5 proxy, which resolves names itself: what it dials cannot be looked at here.
type Proxy struct {
	URL       *url.URL // socks5 or socks5h, with a password if need be
	OnionOnly bool     // only names under .onion go through it
	// Direct reports relays that do only under .onion; nil: there are none.
	Direct func(relayurl.URL) bool
}

// takes reports whether a relay is reached through the proxy.
func (p *Proxy) takes(u relayurl.URL) bool {
	return p != nil && (onion(u) || (!p.OnionOnly && (p.Direct == nil || !p.Direct(u))))
}

// onion reports a name that only Tor can resolve. Asking DNS for it would tell others of it (RFC 7686).
func onion(u relayurl.URL) bool { return strings.HasSuffix(u.Hostname(), ".onion") }

// client gives the HTTP client by which a relay is reached, for a socket or for a document. A *GuardError says that it must not be dialled.
func (d *Dialer) client(u relayurl.URL, trust Trust, document bool) (*http.Client, error) {
	if d.opts.Proxy.takes(u) {
		if trust == Stranger {
			if err := d.guard.name(u); err != nil {
				return nil, err
			}
		}
		return d.proxied, nil
	}
	if onion(u) && d.opts.DialContext == nil {
		return nil, &GuardError{Why: fmt.Sprintf("%s is reached through a proxy only, and network.proxy names none", u.Hostname())}
	}
	if document {
		return d.fetchers[trust], nil
	}
	return d.sockets[trust], nil
}

// name checks what can be checked of a relay whose name the proxy resolves: an address in its place, and names of this machine.
func (g guard) name(u relayurl.URL) error {
	host := u.Hostname()
	if relayurl.LocalName(host) {
		return &GuardError{Why: "a name of somebody's own network: " + host}
	}
	port := uint16(u.Port()) //nolint:gosec // a canonical URL has a port of 16 bits
	addr, literal := u.Address()
	if !literal {
		addr = netip.AddrFrom4([4]byte{1, 1, 1, 1}) // any public one: only the port is to be judged
	}
	return g.check(netip.AddrPortFrom(addr, port))
}
