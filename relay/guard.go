package relay

import (
	"context"
	"fmt"
	"net/netip"
	"syscall"
)

// Trust says whose word an address is. It decides whether the dial guard looks at it (DESIGN §11).
type Trust uint8

// Kinds of trust.
const (
	Stranger Trust = iota // named by an announcement that anyone may write
	Operator              // own relay, bootstrap, pinned: in the configuration
)

// GuardError is the refusal of an address by the dial guard.
type GuardError struct {
	Addr netip.AddrPort
	Why  string
}

func (e *GuardError) Error() string {
	if !e.Addr.IsValid() {
		return "refused: " + e.Why
	}
	return fmt.Sprintf("address %s refused: %s", e.Addr, e.Why)
}

// guard checks the addresses that strangers make us dial, after DNS and at the socket, so that a name that
// resolves differently the second time gains nothing.
type guard struct{ allow []netip.Prefix }

// control is a net.Dialer.ControlContext.
func (g guard) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return &GuardError{Why: "no address: " + address}
	}
	return g.check(ap)
}

// check gives a *GuardError when the address must not be dialled.
func (g guard) check(ap netip.AddrPort) error {
	if p := ap.Port(); p != 80 && p != 443 && p < 1024 {
		return &GuardError{Addr: ap, Why: "port below 1024"}
	}
	addr := ap.Addr().WithZone("").Unmap()
	inner := carried(addr)
	for _, p := range g.allow {
		if p.Contains(addr) || p.Contains(inner) {
			return nil
		}
	}
	if why := special(inner); why != "" {
		return &GuardError{Addr: ap, Why: why}
	}
	return nil
}

var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour  = netip.MustParsePrefix("2002::/16")
	compatible = netip.MustParsePrefix("::/96")
	globalV6   = netip.MustParsePrefix("2000::/3")
)

// carried is the IPv4 address inside a NAT64 (RFC 6052), 6to4 (RFC 3056), ISATAP (RFC 5214) or IPv4-compatible (RFC 4291) address: a gateway
// would take us there. Other addresses are given back.
func carried(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	b := a.As16()
	switch {
	case nat64.Contains(a), compatible.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	case b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe:
		return netip.AddrFrom4([4]byte(b[12:16]))
	}
	return a
}

// specials are the ranges of the IANA special-purpose registries that are no public relay, and the addresses where clouds
// keep metadata.
var specials = []struct {
	prefix netip.Prefix
	why    string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private"},
	{netip.MustParsePrefix("100.64.0.0/10"), "carrier-grade NAT"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("168.63.129.16/32"), "metadata"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private"},
	{netip.MustParsePrefix("192.0.0.0/24"), "reserved"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "reserved"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},
	{netip.MustParsePrefix("fc00::/7"), "private"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
	{netip.MustParsePrefix("2001::/23"), "reserved"}, // Teredo, ORCHID, benchmarking
	{netip.MustParsePrefix("2001:db8::/32"), "documentation"},
	{netip.MustParsePrefix("3fff::/20"), "documentation"},
}

// special says why an address is no public relay; empty when it may be one.
func special(a netip.Addr) string {
	for _, s := range specials {
		if s.prefix.Contains(a) {
			return s.why
		}
	}
	if a.Is6() && !globalV6.Contains(a) {
		return "reserved"
	}
	return ""
}
