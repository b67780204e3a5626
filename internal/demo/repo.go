package demo

import (
	"fmt"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip19"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// repo is a repository that events are written about.
type repo struct {
	refs    []event.Ref  // the owner's coordinate first
	hint    relayurl.URL // that clients write beside ids
	hosts   []*Relay     // the relays of this world that its announcements name
	staff   []identity   // who may set a status; empty when the real keys are not ours
	threads []*thread
}

// realRepo takes a real announcement that lists us.
func realRepo(a *nip34.Announcement, relays map[relayurl.URL]*Relay) *repo {
	r := &repo{refs: []event.Ref{a.Ref}}
	for _, u := range a.Relays {
		if host := relays[u]; host != nil {
			r.hosts = append(r.hosts, host)
		}
	}
	if len(r.hosts) > 0 {
		r.hint = r.hosts[0].Name
	}
	return r
}

// announce writes an announcement (NIP-34).
func (s *Source) announce(by identity, d string, at time.Time, listed bool, hosts []*Relay, maintainers ...event.PubKey) *event.Event {
	npub, err := nip19.EncodePublicKey(by.pub.String())
	s.note(err)
	clone, relays := nostr.Tag{"clone"}, nostr.Tag{"relays"}
	if listed {
		clone = append(clone, fmt.Sprintf("https://%s/%s/%s.git", s.domain, npub, d))
		relays = append(relays, "wss://"+s.domain)
	}
	clone = append(clone, fmt.Sprintf("https://code.example/%s.git", d))
	for _, h := range hosts {
		relays = append(relays, string(h.Name))
	}
	people := nostr.Tag{"maintainers", by.pub.String()}
	for _, m := range maintainers {
		people = append(people, m.String())
	}
	return s.sign(by, event.KindAnnouncement, at, "",
		nostr.Tag{"d", d}, nostr.Tag{"name", d}, nostr.Tag{"description", s.title()}, clone, relays, people,
		nostr.Tag{"r", s.commit(), "euc"})
}

// state writes the branches of a repository (NIP-34).
func (s *Source) state(by identity, d string, at time.Time) *event.Event {
	return s.sign(by, event.KindState, at, "", nostr.Tag{"d", d}, nostr.Tag{"HEAD", "ref: refs/heads/main"},
		nostr.Tag{"refs/heads/main", s.commit()}, nostr.Tag{"refs/tags/v0." + fmt.Sprint(s.rand.IntN(20)), s.commit()})
}
