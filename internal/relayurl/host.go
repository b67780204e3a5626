package relayurl

import (
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// lookup is UTS #46 as browsers apply it before a DNS query, with the rules of STD 3 for ASCII and the lengths of DNS.
var lookup = idna.New(
	idna.MapForLookup(),
	idna.Transitional(false),
	idna.BidiRule(),
	idna.StrictDomainName(true),
	idna.VerifyDNSLength(true),
)

// canonicalHost gives a lower-case ASCII name, an IPv4 address, or an IPv6 address in brackets.
func canonicalHost(name string) (string, error) {
	if strings.HasPrefix(name, "[") {
		return canonicalIPv6(name)
	}
	ascii := name
	if !isPlainName(strings.TrimSuffix(name, ".")) {
		var err error
		if ascii, err = lookup.ToASCII(name); err != nil {
			return "", &Error{ReasonHost, "not a domain name"}
		}
	}
	// The mapping turns other full stops and wide digits into ASCII, so these checks come after it.
	ascii = strings.TrimSuffix(ascii, ".")
	if !isName(ascii) {
		return "", &Error{ReasonHost, "not a domain name"}
	}
	switch ascii {
	case "ws", "wss", "http", "https":
		return "", &Error{ReasonNested, "a scheme in the place of the host"}
	}
	if isNumeric(ascii[strings.LastIndexByte(ascii, '.')+1:]) {
		addr, err := netip.ParseAddr(ascii)
		if err != nil || !addr.Is4() {
			return "", &Error{ReasonHost, "a number that is no IPv4 address"}
		}
		return addr.String(), nil
	}
	if isBech32(ascii) {
		return "", &Error{ReasonHost, "a nostr identifier"}
	}
	return ascii, nil
}

func canonicalIPv6(name string) (string, error) {
	inner, ok := strings.CutSuffix(name[1:], "]")
	if !ok {
		return "", &Error{ReasonHost, "an open bracket"}
	}
	addr, err := netip.ParseAddr(inner)
	if err != nil || !addr.Is6() || addr.Zone() != "" {
		return "", &Error{ReasonHost, "not an IPv6 address"}
	}
	if addr.Is4In6() {
		return addr.Unmap().String(), nil
	}
	return "[" + addr.String() + "]", nil
}

// isPlainName reports names that the mapping would leave alone: the common case, without its cost.
func isPlainName(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if len(label) >= 4 && label[2:4] == "--" { // xn-- and what is reserved beside it
			return false
		}
	}
	return isName(s)
}

// isName reports lower-case letters, digits and inner hyphens in labels of DNS length.
func isName(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	return true
}

// isNumeric reports a last label that some resolver reads as a number (WHATWG URL, "ends in a number").
func isNumeric(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return label != "" && strings.Trim(label, "0123456789") == ""
}

// isBech32 reports NIP-19 entities that were pasted into the place of the host. No name of one label looks like this.
func isBech32(host string) bool {
	if len(host) < 60 || strings.IndexByte(host, '.') >= 0 {
		return false
	}
	for _, prefix := range [...]string{"npub1", "nsec1", "note1", "nprofile1", "nevent1", "naddr1", "nrelay1"} {
		if strings.HasPrefix(host, prefix) {
			return true
		}
	}
	return false
}

// localZones are never names of the public internet (RFC 6761, RFC 6762, RFC 8375, ICANN's .internal, and what routers, containers and clusters
// use). Metadata of clouds has names in .internal.
var localZones = []string{
	".localhost", ".local", ".localdomain", ".internal", ".intranet", ".private", ".corp", ".home", ".lan", ".home.arpa", ".svc", ".consul", ".docker",
	".test",
}

// LocalName reports a lower-case name that resolves only inside of somebody's network, or on his machine: with one of these endings, or of one
// label, which a search list completes. Nobody else can have it lead to an address.
func LocalName(host string) bool {
	if !strings.ContainsAny(host, ".:") {
		return true
	}
	return slices.ContainsFunc(localZones, func(zone string) bool { return strings.HasSuffix(host, zone) })
}
