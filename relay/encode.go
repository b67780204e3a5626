package relay

import (
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/nbd-wtf/go-nostr"
)

// EncodeREQ gives the message that opens or replaces a subscription (NIP-01).
func EncodeREQ(sub string, filters []nostr.Filter) ([]byte, error) {
	msg := append(quote([]byte(`["REQ",`), sub), ',')
	for i, f := range filters {
		b, err := f.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("encode filter %d of %s: %w", i, sub, err)
		}
		if i > 0 {
			msg = append(msg, ',')
		}
		msg = append(msg, b...)
	}
	return append(msg, ']'), nil
}

// EncodeClose gives the message that ends a subscription (NIP-01).
func EncodeClose(sub string) []byte { return append(quote([]byte(`["CLOSE",`), sub), ']') }

// encodeNegOpen gives the message that begins a reconciliation (NIP-77).
func encodeNegOpen(sub string, f nostr.Filter, msg []byte) ([]byte, error) {
	b, err := f.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("encode filter of %s: %w", sub, err)
	}
	out := append(quote([]byte(`["NEG-OPEN",`), sub), ',')
	return hexed(append(append(out, b...), ','), msg), nil
}

// encodeNegMsg gives the message that goes on with one.
func encodeNegMsg(sub string, msg []byte) []byte {
	return hexed(append(quote([]byte(`["NEG-MSG",`), sub), ','), msg)
}

// encodeNegClose gives the message that ends one.
func encodeNegClose(sub string) []byte { return append(quote([]byte(`["NEG-CLOSE",`), sub), ']') }

func hexed(dst, msg []byte) []byte { return append(hex.AppendEncode(append(dst, '"'), msg), '"', ']') }

// EncodeEvent gives the message that publishes an event (NIP-01).
func EncodeEvent(e *nostr.Event) ([]byte, error) { return encodeWith(`["EVENT",`, e) }

// EncodeAuth gives the answer to a challenge (NIP-42).
func EncodeAuth(e *nostr.Event) ([]byte, error) { return encodeWith(`["AUTH",`, e) }

func encodeWith(head string, e *nostr.Event) ([]byte, error) {
	b, err := e.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	msg := make([]byte, 0, len(head)+len(b)+1)
	msg = append(append(msg, head...), b...)
	return append(msg, ']'), nil
}

// quote appends a JSON string.
func quote(dst []byte, s string) []byte {
	q, _ := json.Marshal(s) // a string always encodes
	return append(dst, q...)
}
