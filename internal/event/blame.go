package event

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/btcsuite/btcd/btcec/v2/schnorr"
	"github.com/nbd-wtf/go-nostr"
)

// Blameless reports whether an honest relay may have sent what Parse refuses for its JSON, its shape or its id. Readers of events disagree:
// what one relay takes and gives on is no event to us. Its author can make such ones on purpose and have every such relay blamed for them, but
// for this: he has signed the id that the event names, and the text has that hash, or one that hangs on how it is written.
func Blameless(raw []byte) bool {
	var named struct {
		ID     string `json:"id"`
		PubKey string `json:"pubkey"`
		Sig    string `json:"sig"`
	}
	if json.NewDecoder(bytes.NewReader(raw)).Decode(&named) != nil || !hasSigned(named.ID, named.PubKey, named.Sig) {
		return false
	}
	var n nostr.Event
	if n.UnmarshalJSON(raw) != nil {
		return true // what cannot be read may well be what he signed
	}
	return n.CheckID() || !utf8.Valid(raw) || disputed(n.Content) || slices.ContainsFunc(n.Tags, func(tag nostr.Tag) bool {
		return slices.ContainsFunc(tag, disputed)
	})
}

// hasSigned reports a signature (BIP-340) of a key over an id, all in hex.
func hasSigned(id, pubkey, sig string) bool {
	hash, err := hex.DecodeString(id)
	if err != nil {
		return false
	}
	rawKey, err := hex.DecodeString(pubkey)
	if err != nil {
		return false
	}
	key, err := schnorr.ParsePubKey(rawKey)
	if err != nil {
		return false
	}
	rawSig, err := hex.DecodeString(sig)
	if err != nil {
		return false
	}
	s, err := schnorr.ParseSignature(rawSig)
	return err == nil && s.Verify(hash, key)
}

// disputed reports text that programs write differently when they take its hash: control characters (strfry escapes U+007F, NIP-01 does not),
// and what stands for characters that are none, such as half a surrogate pair.
func disputed(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		switch r {
		case '\n', '\r', '\t':
			return false
		case '\x7f', utf8.RuneError, '\u2028', '\u2029':
			return true
		}
		return r < ' '
	})
}
