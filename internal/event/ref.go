package event

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Ref is a coordinate `<kind>:<pubkey>:<d>` (NIP-01, NIP-34). It is comparable and serves as a map key.
// D may hold any character, `:` included.
type Ref struct {
	Kind   int
	PubKey PubKey
	D      string
}

// RepoRef is the coordinate of a repository announcement (kind 30617).
func RepoRef(pk PubKey, d string) Ref { return Ref{Kind: KindAnnouncement, PubKey: pk, D: d} }

// ParseRef reads a coordinate and splits at the first two colons only. The kind is decimal without sign or leading
// zeros: other spellings of a coordinate match no filter.
func ParseRef(s string) (Ref, error) {
	kind, rest, ok := strings.Cut(s, ":")
	if !ok {
		return Ref{}, errors.New("coordinate without colon")
	}
	key, d, ok := strings.Cut(rest, ":")
	if !ok {
		return Ref{}, errors.New("coordinate with one colon, want two")
	}
	k, err := parseKind(kind)
	if err != nil {
		return Ref{}, fmt.Errorf("coordinate: %w", err)
	}
	pk, err := ParsePubKey(key)
	if err != nil {
		return Ref{}, fmt.Errorf("coordinate: pubkey: %w", err)
	}
	return Ref{Kind: k, PubKey: pk, D: d}, nil
}

func parseKind(s string) (int, error) {
	if len(s) == 0 || len(s) > 5 || (s[0] == '0' && len(s) > 1) {
		return 0, errors.New("kind is not a number of 1 to 5 digits")
	}
	k := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, errors.New("kind is not a number of 1 to 5 digits")
		}
		k = 10*k + int(s[i]-'0')
	}
	if k > maxKind {
		return 0, fmt.Errorf("kind %d, at most %d", k, maxKind)
	}
	return k, nil
}

// String gives the form that `a` tags carry.
func (r Ref) String() string {
	return strconv.Itoa(r.Kind) + ":" + r.PubKey.String() + ":" + r.D
}

// Compare orders coordinates by kind, key and identifier.
func (r Ref) Compare(o Ref) int {
	return cmp.Or(cmp.Compare(r.Kind, o.Kind), bytes.Compare(r.PubKey[:], o.PubKey[:]), cmp.Compare(r.D, o.D))
}
