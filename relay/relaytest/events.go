package relaytest

import (
	"fmt"

	"github.com/nbd-wtf/go-nostr"
)

// Sign completes an event with the test key of that number, from 1 on.
func Sign(e *nostr.Event, key int) {
	if err := e.Sign(SecretKey(key)); err != nil {
		panic(err) // the key is a constant
	}
}

// SecretKey is the test key of that number, from 1 on. It is no secret.
func SecretKey(n int) string { return fmt.Sprintf("%064x", n) }

// PublicKey belongs to SecretKey.
func PublicKey(n int) string {
	pk, err := nostr.GetPublicKey(SecretKey(n))
	if err != nil {
		panic(err) // the key is a constant
	}
	return pk
}

// Event makes a signed event.
func Event(key, kind int, createdAt int64, content string, tags ...nostr.Tag) nostr.Event {
	e := nostr.Event{Kind: kind, CreatedAt: nostr.Timestamp(createdAt), Content: content, Tags: tags}
	Sign(&e, key)
	return e
}

// Notes makes n signed events of a kind, one second apart, the newest at the given time.
func Notes(n, kind int, newest int64, tags ...nostr.Tag) []nostr.Event {
	out := make([]nostr.Event, n)
	for i := range out {
		out[i] = Event(1, kind, newest-int64(i), fmt.Sprintf("note %d", i), tags...)
	}
	return out
}
