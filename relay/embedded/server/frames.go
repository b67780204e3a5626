package server

import (
	"encoding/json"
	"strconv"
)

// jsonString never fails for a string.
func jsonString(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		return []byte(`""`)
	}
	return b
}

func frame(label string, fields ...[]byte) []byte {
	n := len(label) + 4
	for _, f := range fields {
		n += len(f) + 1
	}
	b := make([]byte, 0, n)
	b = append(b, '[')
	b = strconv.AppendQuote(b, label) // labels are plain ASCII
	for _, f := range fields {
		b = append(b, ',')
		b = append(b, f...)
	}
	return append(b, ']')
}

func okFrame(id string, ok bool, message string) []byte {
	return frame("OK", jsonString(id), strconv.AppendBool(nil, ok), jsonString(message))
}

func noticeFrame(text string) []byte { return frame("NOTICE", jsonString(text)) }

func closedFrame(sub, reason string) []byte {
	return frame("CLOSED", jsonString(sub), jsonString(reason))
}

func eoseFrame(sub string) []byte { return frame("EOSE", jsonString(sub)) }

func eventFrame(sub string, raw []byte) []byte { return frame("EVENT", jsonString(sub), raw) }

func authFrame(challenge string) []byte { return frame("AUTH", jsonString(challenge)) }

func negFrame(label, sub, text string) []byte { return frame(label, jsonString(sub), jsonString(text)) }
