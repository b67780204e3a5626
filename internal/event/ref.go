package event

import (
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

// ParseRef reads a coordinate and splits at the first two colons only.
func ParseRef(s string) (Ref, error) {
	kind, rest, ok := strings.Cut(s, ":")
	if !ok {
		return Ref{}, fmt.Errorf("coordinate %q has no colon", s)
	}
	key, d, ok := strings.Cut(rest, ":")
	if !ok {
		return Ref{}, fmt.Errorf("coordinate %q has one colon, want two", s)
	}
	k, err := strconv.Atoi(kind)
	if err != nil || k < 0 || k > maxKind {
		return Ref{}, fmt.Errorf("coordinate %q: bad kind", s)
	}
	pk, err := ParsePubKey(key)
	if err != nil {
		return Ref{}, fmt.Errorf("coordinate %q: pubkey: %w", s, err)
	}
	return Ref{Kind: k, PubKey: pk, D: d}, nil
}

// String gives the form that `a` tags carry.
func (r Ref) String() string {
	return strconv.Itoa(r.Kind) + ":" + r.PubKey.String() + ":" + r.D
}
