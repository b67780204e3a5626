package web

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// EscapeJSON writes what is invisible in the strings of a JSON text, or drives a terminal, as escapes: who reads the JSON sees no difference.
// encoding/json and zap leave U+007F, the C1 control characters and changes of direction as they are. Text without any is given back.
func EscapeJSON(text []byte) []byte {
	at := 0
	for at < len(text) && text[at] < 0x7f {
		at++
	}
	if at == len(text) {
		return text
	}
	out := append(make([]byte, 0, len(text)+len(text)/8), text[:at]...)
	for at < len(text) {
		r, size := utf8.DecodeRune(text[at:])
		switch {
		case r < 0x7f || unicode.IsGraphic(r) && (r != utf8.RuneError || size > 1):
			out = append(out, text[at:at+size]...)
		case r > 0xffff:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		at += size
	}
	return out
}
