package relayurl

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxLen is the longest URL, in bytes, before and after.
const MaxLen = 512

// Reasons of an Error. There are only these, so they can be metric labels.
const (
	ReasonLength    = "length"
	ReasonCharacter = "character" // blank, control, backslash, invisible or not UTF-8
	ReasonScheme    = "scheme"    // none, or neither ws nor wss
	ReasonNested    = "nested"    // a second URL inside the first
	ReasonUserinfo  = "userinfo"
	ReasonHost      = "host"
	ReasonPort      = "port"
	ReasonPath      = "path"
)

// Error says why a string is no relay URL.
type Error struct {
	Reason string // one of the Reason constants
	Detail string // without the string itself, which is hostile text
}

func (e *Error) Error() string { return "relay url: " + e.Reason + ": " + e.Detail }

// Canonical gives the one spelling of a relay URL. The error is an *Error.
func Canonical(s string) (URL, error) {
	s = strings.Trim(s, " \t\r\n")
	if len(s) == 0 || len(s) > MaxLen {
		return "", &Error{ReasonLength, strconv.Itoa(len(s)) + " bytes, want 1 to " + strconv.Itoa(MaxLen)}
	}
	if err := checkText(s); err != nil {
		return "", err
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return "", &Error{ReasonScheme, "no scheme"}
	}
	if scheme = strings.ToLower(scheme); scheme != "ws" && scheme != "wss" {
		return "", &Error{ReasonScheme, "want ws or wss"}
	}
	authority, path, query := split(rest)
	// Lists and doubled schemes: "wss://a.example,wss://b.example", "wss://a.examplewss://b.example".
	if strings.Contains(authority+path, "://") {
		return "", &Error{ReasonNested, "a URL inside the URL"}
	}
	hostport, err := canonicalAuthority(scheme, authority)
	if err != nil {
		return "", err
	}
	if path, err = canonicalPath(path); err != nil {
		return "", err
	}
	if query, err = escapes(query, isQuery); err != nil {
		return "", err
	}
	u := scheme + "://" + hostport + path
	if query != "" {
		u += "?" + query
	}
	if len(u) > MaxLen {
		return "", &Error{ReasonLength, "longer than " + strconv.Itoa(MaxLen) + " bytes when escaped"}
	}
	return URL(u), nil
}

// checkText refuses what no relay's name has and what a terminal or a page would hide.
func checkText(s string) *Error {
	for i, r := range s {
		switch {
		case r == utf8.RuneError:
			return &Error{ReasonCharacter, "not UTF-8 at byte " + strconv.Itoa(i)}
		case r == '\\', !unicode.IsGraphic(r), unicode.IsSpace(r):
			return &Error{ReasonCharacter, strconv.QuoteRuneToASCII(r) + " at byte " + strconv.Itoa(i)}
		}
	}
	return nil
}

func split(rest string) (authority, path, query string) {
	rest, _, _ = strings.Cut(rest, "#")
	rest, query, _ = strings.Cut(rest, "?")
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[:i], rest[i:], query
	}
	return rest, "", query
}

func canonicalAuthority(scheme, authority string) (string, error) {
	if strings.IndexByte(authority, '@') >= 0 {
		return "", &Error{ReasonUserinfo, "not allowed"}
	}
	name, port := splitPort(authority)
	host, err := canonicalHost(name)
	if err != nil {
		return "", err
	}
	if port == "" {
		return host, nil
	}
	n, err := parsePort(port)
	if err != nil {
		return "", err
	}
	if n == defaultPort(scheme) {
		return host, nil
	}
	return host + ":" + strconv.Itoa(n), nil
}

func parsePort(s string) (int, error) {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' || n > 65535 {
			return 0, &Error{ReasonPort, "want 1 to 65535"}
		}
		n = 10*n + int(s[i]-'0')
	}
	if n < 1 || n > 65535 {
		return 0, &Error{ReasonPort, "want 1 to 65535"}
	}
	return n, nil
}
