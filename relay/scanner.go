package relay

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// scanner walks the elements of one envelope from left to right. It looks at a byte only after the length.
type scanner struct{ rest []byte }

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func trimLeft(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	return b
}

func trim(b []byte) []byte {
	b = trimLeft(b)
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// trimRight takes one closing byte and the space around it off the end.
func trimRight(b []byte, c byte) []byte {
	if len(b) > 0 && b[len(b)-1] == c {
		b = b[:len(b)-1]
	}
	return trim(b)
}

// comma steps over the separator to the next element.
func (s *scanner) comma() error {
	s.rest = trimLeft(s.rest)
	if len(s.rest) == 0 {
		return errShort
	}
	if s.rest[0] != ',' {
		return errElement
	}
	s.rest = trimLeft(s.rest[1:])
	return nil
}

// literal steps over a bare word.
func (s *scanner) literal(word string) bool {
	if !bytes.HasPrefix(s.rest, []byte(word)) {
		return false
	}
	s.rest = trimLeft(s.rest[len(word):])
	return true
}

// quoted steps over a JSON string and gives it with its quotes; nil when there is none.
func (s *scanner) quoted() []byte {
	if len(s.rest) == 0 || s.rest[0] != '"' {
		return nil
	}
	for i := 1; i < len(s.rest); i++ {
		switch s.rest[i] {
		case '\\':
			i++
		case '"':
			q := s.rest[:i+1]
			s.rest = trimLeft(s.rest[i+1:])
			return q
		}
	}
	return nil
}

// string reads a JSON string of at most limit bytes on the wire.
func (s *scanner) string(limit int) (string, error) {
	q := s.quoted()
	if q == nil || len(q) > limit+2 {
		return "", errElement
	}
	return unquote(q), nil
}

// anyText reads the next element for people to read: a string, or whatever stands there instead.
func (s *scanner) anyText() string {
	if q := s.quoted(); q != nil {
		return clip(unquote(cut(q)))
	}
	text := clip(string(cut(s.rest)))
	s.rest = nil
	return text
}

// reason reads the text of a NEG-ERR and the number that may follow. khatru does not escape it: when something else than the
// next element stands behind the closing quote, the text goes on to the last quote.
func (s *scanner) reason() (string, int64) {
	all := s.rest
	if q := s.quoted(); q != nil {
		if len(s.rest) == 0 {
			return clip(unquote(cut(q))), 0
		}
		if s.rest[0] == ',' {
			if n, err := strconv.ParseInt(string(trim(cut(s.rest[1:]))), 10, 64); err == nil {
				return clip(unquote(cut(q))), max(n, 0)
			}
		}
	}
	return clip(strings.Trim(string(cut(all)), `"`)), 0
}

// cut bounds what is decoded: an escaped character takes at most six bytes per decoded one.
func cut(b []byte) []byte { return b[:min(len(b), 6*maxTextLen)] }

// unquote decodes a JSON string with its quotes; what is no proper string is given as it stands.
func unquote(q []byte) string {
	inner := strings.TrimPrefix(string(q), `"`)
	if len(inner) == len(q)-1 {
		inner = strings.TrimSuffix(inner, `"`)
	}
	if !strings.Contains(inner, `\`) {
		return strings.ToValidUTF8(inner, "\uFFFD")
	}
	var out string
	if json.Unmarshal(q, &out) != nil {
		return strings.ToValidUTF8(inner, "\uFFFD")
	}
	return out
}

func clip(s string) string { return clipTo(s, maxTextLen) }

// clipTo bounds a text at a character's border and makes it valid UTF-8. It keeps nothing of what it leaves out: texts are kept for the page.
func clipTo(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.Clone(s[:n])
}
