package relayurl

import (
	"strconv"
	"strings"
)

// MatchHost reports whether the host[:port] of an http, https, ws or wss URL is exactly one of domains: case does not
// matter, a domain without port means the default port of the URL's scheme. Nothing is matched in part. Domains that are
// no host[:port] match nothing.
func MatchHost(rawURL string, domains []string) bool {
	scheme, rest, ok := strings.Cut(strings.Trim(rawURL, " \t\r\n"), "://")
	if !ok {
		return false
	}
	switch scheme = strings.ToLower(scheme); scheme {
	case "http", "https", "ws", "wss":
	default:
		return false
	}
	authority, _, _ := split(rest)
	host, err := checkedAuthority(scheme, authority)
	if err != nil {
		return false
	}
	for _, domain := range domains {
		if want, err := checkedAuthority(scheme, domain); err == nil && want == host {
			return true
		}
	}
	return false
}

// Domain gives the one spelling of a host[:port] as it stands in a configuration. The error is an *Error.
func Domain(s string) (string, error) {
	if strings.ContainsAny(s, "/?#") {
		return "", &Error{ReasonHost, "want host or host:port, not a URL"}
	}
	return checkedAuthority("", s)
}

// checkedAuthority is for text that Canonical has not looked at.
func checkedAuthority(scheme, s string) (string, error) {
	if len(s) > MaxLen {
		return "", &Error{ReasonLength, "more than " + strconv.Itoa(MaxLen) + " bytes"}
	}
	if err := checkText(s); err != nil {
		return "", err
	}
	return canonicalAuthority(scheme, s)
}
