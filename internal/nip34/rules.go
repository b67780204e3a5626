package nip34

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nbd-wtf/go-nostr/nip19"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// defaultRelaysPerRepo is `limits.relays_per_repo` (DESIGN §7).
const defaultRelaysPerRepo = 20

// Rules say which announcements are in scope by themselves (DESIGN §6). The zero value accepts nothing. An Index keeps what it
// is given: nobody changes the lists and maps afterwards.
type Rules struct {
	Domains       []string // host[:port] of our service
	Archive       []ArchiveRule
	DenyAuthors   map[event.PubKey]bool   // beats everything, also as a maintainer
	DenyRepos     map[event.Ref]bool      // by kind 30617; beats everything, also as a maintainer's coordinate
	RelaysPerRepo int                     // relays of one repo, its maintainers' included; 0 = 20
	OwnURLs       func(relayurl.URL) bool // left out of Repo.Relays beside the URLs at Domains; may be nil
}

// ArchiveRule is one entry of `scope.archive` (GRASP-05): all repos of a key, one repo, or all repos that list a
// GRASP server. Exactly one of Domain and PubKey counts: Domain when it is not empty.
type ArchiveRule struct {
	PubKey     event.PubKey
	Identifier string // empty: every identifier of PubKey
	Domain     string // host[:port], canonical
}

// ParseArchiveRule reads `npub`, `npub/identifier` or `domain:<host[:port]>`. The identifier is what follows the first
// slash, as it stands in the `d` tag.
func ParseArchiveRule(s string) (ArchiveRule, error) {
	if domain, ok := strings.CutPrefix(s, "domain:"); ok {
		host, err := relayurl.Domain(domain)
		if err != nil {
			return ArchiveRule{}, fmt.Errorf("archive rule %.80q: %w", s, err)
		}
		return ArchiveRule{Domain: host}, nil
	}
	npub, id, hasID := strings.Cut(s, "/")
	pk, err := parseNpub(npub)
	if err != nil {
		return ArchiveRule{}, fmt.Errorf("archive rule %.80q: want npub, npub/identifier or domain:<host>: %w", s, err)
	}
	if hasID && id == "" {
		return ArchiveRule{}, fmt.Errorf("archive rule %.80q: no identifier after the slash", s)
	}
	return ArchiveRule{PubKey: pk, Identifier: id}, nil
}

// String gives the form that ParseArchiveRule reads.
func (r ArchiveRule) String() string {
	if r.Domain != "" {
		return "domain:" + r.Domain
	}
	npub, err := nip19.EncodePublicKey(r.PubKey.String())
	if err != nil {
		return r.PubKey.String()
	}
	if r.Identifier == "" {
		return npub
	}
	return npub + "/" + r.Identifier
}

// Matches reports whether the rule names the announcement.
func (r ArchiveRule) Matches(a *Announcement) bool {
	if r.Domain != "" {
		return a.Lists([]string{r.Domain})
	}
	return r.PubKey == a.Ref.PubKey && (r.Identifier == "" || r.Identifier == a.Ref.D)
}

// Names reports whether the announcement is in scope by itself: it lists us or an archive rule matches, and it is not
// denied.
func (r *Rules) Names(a *Announcement) bool {
	if r.denied(a.Ref) {
		return false
	}
	if a.Lists(r.Domains) {
		return true
	}
	for _, rule := range r.Archive {
		if rule.Matches(a) {
			return true
		}
	}
	return false
}

// allRelays is what a request to vanish says that is meant for every relay (NIP-62).
const allRelays = "ALL_RELAYS"

// Vanishes reports whether a request to vanish (kind 62) is meant for our service: a `relay` tag says ALL_RELAYS, or names a URL at one
// of our domains or an own URL.
func (r *Rules) Vanishes(e *event.Event) bool {
	for _, tag := range e.Tags {
		if len(tag) < 2 || tag[0] != "relay" {
			continue
		}
		if tag[1] == allRelays {
			return true
		}
		if u, err := relayurl.Canonical(tag[1]); err == nil && r.own(u) {
			return true
		}
	}
	return false
}

func (r *Rules) denied(repo event.Ref) bool {
	return r.DenyAuthors[repo.PubKey] || r.DenyRepos[repo]
}

func (r *Rules) own(u relayurl.URL) bool {
	return relayurl.MatchHost(string(u), r.Domains) || (r.OwnURLs != nil && r.OwnURLs(u))
}

func (r *Rules) relaysPerRepo() int {
	if r.RelaysPerRepo <= 0 {
		return defaultRelaysPerRepo
	}
	return r.RelaysPerRepo
}

var errNpub = errors.New("not an npub: want npub1 and 58 characters")

// npubLen is fixed: prefix, separator, 52 characters of key, 6 of checksum (NIP-19).
const npubLen = 63

// parseNpub looks at the prefix first: checking the sum of every path segment that strangers write would be dear.
func parseNpub(s string) (event.PubKey, error) {
	if len(s) != npubLen || !strings.HasPrefix(s, "npub1") {
		return event.PubKey{}, errNpub
	}
	prefix, value, err := nip19.Decode(s)
	if err != nil {
		return event.PubKey{}, fmt.Errorf("not an npub: %w", err)
	}
	hex, ok := value.(string)
	if !ok || prefix != "npub" {
		return event.PubKey{}, errNpub
	}
	return event.ParsePubKey(hex)
}
