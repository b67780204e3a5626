package nip34

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// What one announcement may bring. Real ones have at most 21 relays, 4 clone URLs and 3 maintainers; what is over is
// skipped with a reason.
const (
	MaxMaintainers = 200
	MaxRelays      = 200 // values looked at, garbage and repetitions included
	MaxClone       = 200
	MaxCloneBytes  = 2048 // of one clone URL
	maxSkipped     = 50   // reasons kept
)

// Errors of ParseAnnouncement.
var (
	ErrKind         = errors.New("not kind 30617")
	ErrNoIdentifier = errors.New("no identifier in a d tag")
)

// Announcement is a repository announcement, kind 30617 (NIP-34). Immutable.
type Announcement struct {
	Event       *event.Event // nil after Slim
	ID          event.ID
	CreatedAt   int64 // seconds since 1970
	Ref         event.Ref
	Name        string         // first `name` tag; hostile text
	Clone       []string       // as written, in order; hostile text
	Relays      []relayurl.URL // canonical, each once, in order
	Maintainers []event.PubKey // each once, in order, without the author
	Skipped     []string       // why a value was left out; hostile text
}

// ParseAnnouncement reads the tags of an announcement. `clone`, `relays` and `maintainers` occur as one tag of many values,
// as repeated tags, and as both. The identifier is that of the first `d` tag that has a value. It must be there and not
// be empty: NIP-34 demands it, no URL of a git server can name a repository without one, and the coordinate
// `30617:<pubkey>:` is what events have that name no repository at all.
func ParseAnnouncement(e *event.Event) (*Announcement, error) {
	if e.Kind != event.KindAnnouncement {
		return nil, fmt.Errorf("kind %d: %w", e.Kind, ErrKind)
	}
	d := e.D()
	if d == "" {
		return nil, ErrNoIdentifier
	}
	a := &Announcement{
		Event:     e,
		ID:        e.ID,
		CreatedAt: int64(e.CreatedAt),
		Ref:       event.RepoRef(e.PubKey, d),
	}
	r := reader{a: a}
	for _, tag := range e.Tags {
		if len(tag) < 2 {
			continue
		}
		switch tag[0] {
		case "name":
			if a.Name == "" {
				a.Name = tag[1]
			}
		case "clone":
			r.each(tag, r.clone)
		case "relays":
			r.each(tag, r.relay)
		case "maintainers":
			r.each(tag, r.maintainer)
		}
	}
	r.finish()
	return a, nil
}

// Slim is a copy without the event, for whoever keeps many.
func (a *Announcement) Slim() *Announcement {
	b := *a
	b.Event = nil
	return &b
}

// Supersedes reports whether a takes the place of b, an announcement of the same coordinate: newer wins, on a tie the
// lower id (NIP-01).
func (a *Announcement) Supersedes(b *Announcement) bool {
	if a.CreatedAt != b.CreatedAt {
		return a.CreatedAt > b.CreatedAt
	}
	return string(a.ID[:]) < string(b.ID[:])
}

// reader collects the values of one announcement.
type reader struct {
	a       *Announcement
	relays  int
	seen    map[relayurl.URL]struct{}
	keys    map[event.PubKey]struct{}
	skipped int
}

func (r *reader) each(tag []string, take func(string) error) {
	for _, value := range tag[1:] {
		if strings.TrimSpace(value) == "" {
			continue // a habit of clients: empty slots
		}
		if err := take(value); err != nil {
			r.skip(tag[0], value, err)
		}
	}
}

func (r *reader) clone(value string) error {
	value = strings.Clone(strings.TrimSpace(value)) // not the blanks with it
	switch {
	case len(r.a.Clone) >= MaxClone:
		return fmt.Errorf("more than %d values", MaxClone)
	case len(value) > MaxCloneBytes:
		return fmt.Errorf("longer than %d bytes", MaxCloneBytes)
	}
	r.a.Clone = append(r.a.Clone, value)
	return nil
}

func (r *reader) relay(value string) error {
	if r.relays++; r.relays > MaxRelays {
		return fmt.Errorf("more than %d values", MaxRelays)
	}
	u, err := relayurl.Canonical(value)
	if err != nil {
		return err
	}
	if _, ok := r.seen[u]; ok {
		return nil
	}
	if r.seen == nil {
		r.seen = make(map[relayurl.URL]struct{})
	}
	r.seen[u] = struct{}{}
	r.a.Relays = append(r.a.Relays, u)
	return nil
}

func (r *reader) maintainer(value string) error {
	pk, err := event.ParsePubKey(value)
	if err != nil {
		return err
	}
	if _, ok := r.keys[pk]; ok || pk == r.a.Ref.PubKey {
		return nil
	}
	if len(r.a.Maintainers) >= MaxMaintainers {
		return fmt.Errorf("more than %d keys", MaxMaintainers)
	}
	if r.keys == nil {
		r.keys = make(map[event.PubKey]struct{})
	}
	r.keys[pk] = struct{}{}
	r.a.Maintainers = append(r.a.Maintainers, pk)
	return nil
}

func (r *reader) skip(tag, value string, err error) {
	if r.skipped++; r.skipped <= maxSkipped {
		r.a.Skipped = append(r.a.Skipped, fmt.Sprintf("%s %.80q: %v", tag, value, err))
	}
}

func (r *reader) finish() {
	if more := r.skipped - maxSkipped; more > 0 {
		r.a.Skipped = append(r.a.Skipped, fmt.Sprintf("and %d more", more))
	}
}
