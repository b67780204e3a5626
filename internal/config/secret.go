package config

import (
	"net/url"
	"regexp"
	"strings"
)

const mask = "xxxxx"

// Secret is a URL that may carry a password. However it is printed or encoded, the password is
// masked; Reveal gives it to whoever dials.
type Secret string

// Reveal is the URL as it was given.
func (s Secret) Reveal() string { return string(s) }

// String is the URL with its password masked.
func (s Secret) String() string { return maskURL(string(s)) }

// GoString is String: %#v must not show a password either.
func (s Secret) GoString() string { return s.String() }

// MarshalText is String, for JSON and logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// maskURL hides the password of userinfo and every query parameter that may hold one. What does not parse is hidden
// as a whole after its scheme: a password may be what made it unreadable.
func maskURL(s string) string {
	scheme, rest, _ := strings.Cut(s, ":")
	if strings.ContainsFunc(scheme, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
		return mask // no URL: a list of key=value pairs, say
	}
	if scheme == "sqlite" {
		return s
	}
	u, err := url.Parse(s)
	if err != nil || u.Opaque != "" || (u.User == nil && strings.Contains(rest, "@")) {
		return scheme + ":" + mask
	}
	if _, has := u.User.Password(); has {
		u.User = url.UserPassword(u.User.Username(), mask)
	}
	if q, err := url.ParseQuery(u.RawQuery); err != nil {
		u.RawQuery = mask
	} else if maskQuery(q) {
		u.RawQuery = q.Encode()
	}
	return u.String()
}

var (
	userinfoIn  = regexp.MustCompile(`:\S*@`)
	parameterIn = regexp.MustCompile(`(?i)((?:pass|key|token|secret)[^\s=&]*=)[^\s&]+`)
)

// maskText hides passwords of URLs in any text, and values of parameters that may be one.
func maskText(s string) string {
	s = userinfoIn.ReplaceAllStringFunc(s, func(match string) string {
		rest, url := strings.CutPrefix(match, "://")
		user, _, password := strings.Cut(rest, ":")
		switch {
		case !url:
			return ":" + mask + "@"
		case !password:
			return match
		}
		return "://" + user + ":" + mask + "@"
	})
	return parameterIn.ReplaceAllString(s, "${1}"+mask)
}

func maskQuery(q url.Values) (masked bool) {
	for name := range q {
		if l := strings.ToLower(name); strings.Contains(l, "pass") || strings.Contains(l, "key") || strings.Contains(l, "token") || strings.Contains(l, "secret") {
			q.Set(name, mask)
			masked = true
		}
	}
	return masked
}
