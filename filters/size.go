package filters

import (
	"unicode/utf8"

	"github.com/nbd-wtf/go-nostr"
)

// reqEnvelope is what a REQ adds to its filters: `["REQ","<id>",` and `]`, without the id.
const reqEnvelope = len(`["REQ","",]`)

// maxSubID is the longest subscription id that we use (DESIGN §5).
const maxSubID = 32

// Bytes is the size of the filters of one REQ as they are encoded: JSON, separated by commas.
func Bytes(fs []nostr.Filter) int {
	n := max(0, len(fs)-1)
	for i := range fs {
		n += filterBytes(&fs[i])
	}
	return n
}

// MessageBytes is the size of the message `["REQ","<id>",...]`. The id needs no escapes.
func MessageBytes(id string, fs []nostr.Filter) int { return reqEnvelope + len(id) + Bytes(fs) }

// Usable is how much of a relay's stated message size may be used: 90 % (DESIGN §5).
func Usable(messageBytes int) int { return messageBytes / 10 * 9 }

// filterBytes follows the encoder of go-nostr, which leaves out empty id, kind and author lists.
func filterBytes(f *nostr.Filter) int {
	n, keys := len("{}"), 0
	key := func(name string, value int) {
		n += len(`"":`) + len(name) + value
		keys++
	}
	if len(f.IDs) > 0 {
		key("ids", listBytes(f.IDs))
	}
	if len(f.Kinds) > 0 {
		value := len("[]") + len(f.Kinds) - 1
		for _, k := range f.Kinds {
			value += intBytes(int64(k))
		}
		key("kinds", value)
	}
	if len(f.Authors) > 0 {
		key("authors", listBytes(f.Authors))
	}
	if f.Since != nil {
		key("since", intBytes(int64(*f.Since)))
	}
	if f.Until != nil {
		key("until", intBytes(int64(*f.Until)))
	}
	if f.Limit != 0 || f.LimitZero {
		key("limit", intBytes(int64(f.Limit)))
	}
	if f.Search != "" {
		key("search", stringBytes(f.Search))
	}
	for name, values := range f.Tags {
		n++ // #
		key(name, listBytes(values))
	}
	return n + max(0, keys-1)
}

func listBytes(values []string) int {
	n := len("[]") + max(0, len(values)-1)
	for _, v := range values {
		n += stringBytes(v)
	}
	return n
}

func intBytes(v int64) int {
	n := 1
	if v < 0 {
		n++
	}
	for v /= 10; v != 0; v /= 10 {
		n++
	}
	return n
}

// stringBytes is the length of a JSON string with its quotes, as the encoder of go-nostr writes it:
// no escapes for HTML, \ufffd for broken UTF-8.
func stringBytes(s string) int {
	n := len(`""`)
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			switch {
			case c == '"', c == '\\', c == '\n', c == '\r', c == '\t':
				n += 2
			case c < 0x20:
				n += 6
			default:
				n++
			}
			i++
			continue
		}
		r, width := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && width == 1, r == '\u2028', r == '\u2029':
			n += 6
		default:
			n += width
		}
		i += width
	}
	return n
}
