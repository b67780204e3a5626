package demo

import (
	"strings"
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// addDeletions lets people take back issues that nobody answered. The deletion lies on one relay of the repository, the issue on
// the others: who only copies ends up with both.
func (w *World) addDeletions(now time.Time) {
	s := w.source
	for _, r := range s.repos {
		if len(r.hosts) < 2 {
			continue
		}
		by, at := s.person(), s.between(now.Add(-history), now.Add(-48*time.Hour))
		issue := s.sign(by, event.KindIssue, at, "Posted by mistake.", append(r.address(), nostr.Tag{"subject", "test, please ignore"})...)
		deletion := s.sign(by, event.KindDeletion, at.Add(time.Hour), "by mistake", nostr.Tag{"e", issue.Event.ID}, nostr.Tag{"k", "1621"})
		put(issue, r.hosts[1:]...)
		put(deletion, r.hosts[0])
	}
	// A deletion by somebody else has no effect.
	for _, r := range s.repos[:3] {
		_, issue := s.newThread(r, s.people[0], s.between(now.Add(-history), now.Add(-48*time.Hour)))
		put(issue, r.hosts...)
		put(s.sign(s.people[1], event.KindDeletion, now.Add(-time.Hour), "not mine", nostr.Tag{"e", issue.Event.ID}), w.anywhere()...)
	}
}

// addNoise writes what must not arrive: other people's repositories with their conversations, look-alikes of our domain, states
// by strangers, and events that belong to nothing.
func (w *World) addNoise(now time.Time) {
	s := w.source
	ours := s.repos
	old := now.Add(-history)
	for n := range 8 {
		owner := s.identity(noiseKeys + n)
		hosts := w.anywhere()
		d := "elsewhere-" + string(rune('a'+n))
		put(s.announce(owner, d, old, false, hosts), hosts...)
		put(s.state(owner, d, old.Add(time.Hour)), hosts...)
		r := &repo{refs: []event.Ref{event.RepoRef(owner.pub, d)}, hosts: hosts, hint: hosts[0].Name, staff: []identity{owner}}
		for range 3 + s.rand.IntN(4) {
			w.addThread(r, now)
		}
	}
	// A name that contains ours, ours in only one of the two tags, and ours as a path.
	mallory := s.identity(noiseKeys + 50)
	npub := "npub1" + strings.Repeat("q", 58)
	for d, tags := range map[string]nostr.Tags{
		"look-alike":  {{"clone", "https://" + w.Domain + ".evil.example/" + npub + "/look-alike.git"}, {"relays", "wss://" + w.Domain + ".evil.example"}},
		"relay-only":  {{"clone", "https://code.example/relay-only.git"}, {"relays", "wss://" + w.Domain}},
		"clone-only":  {{"clone", "https://" + w.Domain + "/" + npub + "/clone-only.git"}, {"relays", string(damus)}},
		"in-the-path": {{"clone", "https://code.example/" + w.Domain + "/x.git"}, {"relays", "wss://code.example/" + w.Domain}},
	} {
		put(s.sign(mallory, event.KindAnnouncement, old, "", append(nostr.Tags{{"d", d}}, tags...)...), w.relays[0], w.relays[1])
		put(s.sign(mallory, event.KindIssue, old, "mine", nostr.Tag{"a", event.RepoRef(mallory.pub, d).String()}), w.relays[1])
	}
	// A state for a name of ours by somebody who is no maintainer.
	for _, r := range ours {
		put(s.state(mallory, r.refs[0].D, now.Add(-time.Hour)), r.hosts...)
	}
	for range 60 {
		put(s.sign(s.person(), kindNote, s.between(old, now), pick(s, replies)), w.anywhere()...)
	}
	for range 20 {
		put(s.sign(s.person(), event.KindIssue, s.between(old, now), pick(s, bodies), nostr.Tag{"subject", s.title()}), w.anywhere()...)
	}
	put(s.sign(s.person(), kindRepost, old, "", nostr.Tag{"e", strings.Repeat("00", 32)}), w.anywhere()...)
	put(s.sign(s.person(), event.KindIssue, old, "", nostr.Tag{"a", npub + "/ngit"}), w.anywhere()...)
}
