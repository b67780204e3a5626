package relayurl

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const upperHex = "0123456789ABCDEF"

// canonicalPath drops trailing slashes and refuses dot segments.
func canonicalPath(path string) (string, error) {
	path, err := escapes(path, isPath)
	if err != nil {
		return "", err
	}
	path = strings.TrimRight(path, "/")
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return "", &Error{ReasonPath, "a dot segment"}
		}
	}
	return path, nil
}

// escapes writes every character one way: literally when it is unreserved or allowed, else as %XX. What the escapes stand
// for is held to the same rules as the text around them.
func escapes(s string, allowed func(byte) bool) (string, error) {
	var out strings.Builder
	decoded := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c, literal := s[i], true
		if c == '%' {
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return "", &Error{ReasonPath, "a broken percent-escape"}
			}
			c, literal = unhex(s[i+1])<<4|unhex(s[i+2]), false
			i += 2
		}
		decoded = append(decoded, c)
		switch {
		case isUnreserved(c), literal && allowed(c):
			out.WriteByte(c)
		case literal && c < utf8.RuneSelf:
			return "", &Error{ReasonPath, "a character that needs escaping"}
		default:
			out.Write([]byte{'%', upperHex[c>>4], upperHex[c&15]})
		}
	}
	for _, r := range string(decoded) {
		if r == utf8.RuneError || !unicode.IsGraphic(r) || unicode.IsSpace(r) || r == '\\' {
			return "", &Error{ReasonPath, "an escaped blank or control character"}
		}
	}
	return out.String(), nil
}

// isPath and isQuery are the reserved characters that stand for themselves (RFC 3986 §3.3, §3.4).
func isPath(c byte) bool { return strings.IndexByte("/:@!$&'()*+,;=", c) >= 0 }

func isQuery(c byte) bool { return c == '?' || isPath(c) }

func isUnreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	default:
		return c - 'a' + 10
	}
}
