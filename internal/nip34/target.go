package nip34

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip19"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// Target is what a person points at: an event by its id, or a repository by its coordinate.
type Target struct {
	ID  event.ID
	Ref event.Ref // of kind 30617; zero when it is an event
}

// Repo reports that the target is a repository.
func (t Target) Repo() bool { return t.Ref.Kind != 0 }

// String is the id in hex, or the coordinate.
func (t Target) String() string {
	if t.Repo() {
		return t.Ref.String()
	}
	return t.ID.String()
}

// maxTarget bounds what is read as one, in bytes.
const maxTarget = 4096

var errTarget = errors.New("want an event (64 hex digits, note1..., nevent1...) or a repository (naddr1..., npub1.../identifier, 30617:pubkey:identifier)")

// ParseTarget reads what people copy from clients: 64 hex digits, note1, nevent1, naddr1 (NIP-19), with or without "nostr:" before it,
// npub/identifier, and a coordinate. The naddr or coordinate of a state means its repository.
func ParseTarget(text string) (Target, error) {
	text = strings.TrimPrefix(strings.TrimSpace(text), "nostr:")
	if len(text) > maxTarget {
		return Target{}, fmt.Errorf("%d bytes: %w", len(text), errTarget)
	}
	if strings.HasPrefix(text, "npub1") {
		return parseNpubTarget(text)
	}
	if strings.Contains(text, ":") {
		ref, err := event.ParseRef(text)
		if err != nil {
			return Target{}, fmt.Errorf("%w: %w", err, errTarget)
		}
		return repoTarget(ref)
	}
	for _, prefix := range []string{"note1", "nevent1", "naddr1"} {
		if strings.HasPrefix(text, prefix) {
			return parseEntity(text)
		}
	}
	id, err := event.ParseID(strings.ToLower(text))
	if err != nil {
		return Target{}, fmt.Errorf("%w: %w", err, errTarget)
	}
	return Target{ID: id}, nil
}

func parseNpubTarget(text string) (Target, error) {
	npub, d, ok := strings.Cut(text, "/")
	if !ok {
		return Target{}, fmt.Errorf("an npub without an identifier: %w", errTarget)
	}
	pk, err := parseNpub(npub)
	if err != nil {
		return Target{}, fmt.Errorf("not an npub: %w", errTarget)
	}
	return Target{Ref: event.RepoRef(pk, d)}, nil
}

func parseEntity(text string) (Target, error) {
	v, err := decodeEntity(text)
	if err != nil {
		return Target{}, fmt.Errorf("wrong characters, length or checksum: %w", errTarget)
	}
	switch v := v.(type) {
	case string:
		id, err := event.ParseID(v)
		return Target{ID: id}, err
	case nostr.EventPointer:
		id, err := event.ParseID(v.ID)
		return Target{ID: id}, err
	case nostr.EntityPointer:
		pk, err := event.ParsePubKey(v.PublicKey)
		if err != nil {
			return Target{}, err
		}
		return repoTarget(event.Ref{Kind: v.Kind, PubKey: pk, D: v.Identifier})
	}
	return Target{}, errTarget
}

// decodeEntity is nip19.Decode, which panics on a kind of fewer than four bytes.
func decodeEntity(text string) (v any, err error) {
	defer func() {
		if recover() != nil {
			v, err = nil, errTarget
		}
	}()
	_, v, err = nip19.Decode(text)
	return v, err
}

func repoTarget(ref event.Ref) (Target, error) {
	if ref.Kind != event.KindAnnouncement && ref.Kind != event.KindState {
		return Target{}, fmt.Errorf("kind %d is no repository: %w", ref.Kind, errTarget)
	}
	ref.Kind = event.KindAnnouncement
	return Target{Ref: ref}, nil
}
