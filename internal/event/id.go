package event

import (
	"encoding/hex"
	"fmt"
)

// ID is an event id: the SHA-256 of the event's canonical form (NIP-01).
type ID [32]byte

// PubKey is an x-only secp256k1 public key (BIP-340).
type PubKey [32]byte

// ParseID reads 64 lower-case hex digits.
func ParseID(s string) (ID, error) {
	var id ID
	return id, decodeHex(id[:], s)
}

// ParsePubKey reads 64 lower-case hex digits. It does not check that the point is on the curve.
func ParsePubKey(s string) (PubKey, error) {
	var pk PubKey
	return pk, decodeHex(pk[:], s)
}

// String gives 64 lower-case hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// String gives 64 lower-case hex digits.
func (pk PubKey) String() string { return hex.EncodeToString(pk[:]) }

func decodeHex(dst []byte, s string) error {
	if len(s) != 2*len(dst) {
		return fmt.Errorf("%d characters, want %d hex digits", len(s), 2*len(dst))
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("character %q at %d, want lower-case hex digits", c, i)
		}
	}
	_, err := hex.Decode(dst, []byte(s))
	return err
}
