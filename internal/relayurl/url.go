package relayurl

import (
	"net/netip"
	"strconv"
	"strings"
)

// URL is a canonical relay URL: ws or wss, lower-case ASCII host (IDNA), no default port, no
// fragment, no userinfo, no trailing slash. Only Canonical makes one.
type URL string

// String gives the URL as it is dialled.
func (u URL) String() string { return string(u) }

// Host is host[:port] as it stands in the URL; IPv6 literals have brackets, a default port is left out.
func (u URL) Host() string {
	_, rest, _ := strings.Cut(string(u), "://")
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		rest = rest[:end]
	}
	return rest
}

// Hostname is the host without port and brackets.
func (u URL) Hostname() string {
	name, _ := splitPort(u.Host())
	return strings.Trim(name, "[]")
}

// Address is the host when that is an address and no name.
func (u URL) Address() (netip.Addr, bool) {
	addr, err := netip.ParseAddr(u.Hostname())
	return addr, err == nil
}

// Port is the port that is dialled, 1 to 65535.
func (u URL) Port() int {
	if _, port := splitPort(u.Host()); port != "" {
		n, _ := strconv.Atoi(port)
		return n
	}
	return defaultPort(u.scheme())
}

func (u URL) scheme() string {
	scheme, _, _ := strings.Cut(string(u), "://")
	return scheme
}

// splitPort cuts at the colon before a port; colons inside brackets belong to the address.
func splitPort(hostport string) (host, port string) {
	i := strings.LastIndexByte(hostport, ':')
	if i < 0 || strings.IndexByte(hostport[i:], ']') >= 0 {
		return hostport, ""
	}
	return hostport[:i], hostport[i+1:]
}

func defaultPort(scheme string) int {
	switch scheme {
	case "wss", "https":
		return 443
	case "ws", "http":
		return 80
	default:
		return 0
	}
}
