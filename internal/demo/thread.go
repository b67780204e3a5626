package demo

import (
	"strconv"
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// Kinds that have no constant because the daemon treats them like any other.
const (
	kindNote     = 1
	kindRepost   = 6
	kindReaction = 7
	kindComment  = 1111
	kindLabel    = 1985
)

// thread is a root event and what was said about it so far.
type thread struct {
	repo  *repo
	root  *event.Event
	last  time.Time
	posts []*event.Event // comments, to answer
	done  bool           // closed or merged
}

func ptag(pk event.PubKey) nostr.Tag { return nostr.Tag{"p", pk.String()} }

// address is the `a` tag that a client writes for a repository: the owner's coordinate, and those of its co-maintainers.
func (r *repo) address() nostr.Tags {
	var tags nostr.Tags
	for _, ref := range r.refs {
		tags = append(tags, nostr.Tag{"a", ref.String(), string(r.hint)})
	}
	return tags
}

// newThread writes an issue, a patch or a pull request.
func (s *Source) newThread(r *repo, by identity, at time.Time) (*thread, *event.Event) {
	title := s.title()
	tags := append(r.address(), ptag(r.refs[0].PubKey))
	var root *event.Event
	switch n := s.rand.IntN(100); {
	case n < 55:
		tags = append(tags, nostr.Tag{"subject", title})
		if s.chance(40) {
			tags = append(tags, nostr.Tag{"t", pick(s, []string{"bug", "enhancement", "question", "docs"})})
		}
		root = s.sign(by, event.KindIssue, at, pick(s, bodies), tags...)
	case n < 80:
		commit := s.commit()
		tags = append(tags, nostr.Tag{"t", "root"}, nostr.Tag{"commit", commit}, nostr.Tag{"r", commit}, nostr.Tag{"description", title})
		root = s.sign(by, event.KindPatch, at, s.patchText(title, commit), tags...)
	default:
		tags = append(tags, nostr.Tag{"subject", title}, nostr.Tag{"c", s.commit()}, nostr.Tag{"branch-name", "fix-" + strconv.Itoa(s.rand.IntN(1000))},
			nostr.Tag{"clone", "https://" + s.domain + "/prs/contributor.git"})
		root = s.sign(by, event.KindPullRequest, at, pick(s, bodies), tags...)
	}
	t := &thread{repo: r, root: root, last: at}
	r.threads = append(r.threads, t)
	return t, root
}

// comment answers the root or one of its comments (NIP-22). As real clients do it always names the root.
func (s *Source) comment(t *thread, by identity, at time.Time) *event.Event {
	parent := t.root
	if len(t.posts) > 0 && s.chance(60) {
		parent = pick(s, t.posts)
	}
	e := s.sign(by, kindComment, at, pick(s, replies),
		nostr.Tag{"E", t.root.Event.ID, string(t.repo.hint), t.root.Event.PubKey}, nostr.Tag{"K", strconv.Itoa(t.root.Kind)},
		nostr.Tag{"P", t.root.Event.PubKey}, nostr.Tag{"e", parent.Event.ID, string(t.repo.hint), parent.Event.PubKey},
		nostr.Tag{"k", strconv.Itoa(parent.Kind)}, ptag(parent.PubKey))
	t.posts = append(t.posts, e)
	t.last = at
	return e
}

// status opens, closes, resolves or puts back a root (NIP-34).
func (s *Source) status(t *thread, by identity, at time.Time) *event.Event {
	kind := pick(s, []int{event.KindStatusMerged, event.KindStatusMerged, event.KindStatusClosed, event.KindStatusDraft, event.KindStatusOpen})
	tags := append(nostr.Tags{{"e", t.root.Event.ID, "", "root"}}, t.repo.address()...)
	tags = append(tags, ptag(t.root.PubKey))
	if kind == event.KindStatusMerged && t.root.Kind != event.KindIssue {
		tags = append(tags, nostr.Tag{"merge-commit", s.commit()})
	}
	t.done = kind == event.KindStatusMerged || kind == event.KindStatusClosed
	t.last = at
	return s.sign(by, kind, at, "", tags...)
}

// reaction likes the root.
func (s *Source) reaction(t *thread, by identity, at time.Time) *event.Event {
	return s.sign(by, kindReaction, at, pick(s, []string{"+", "+", "🚀", "👀", "-"}),
		nostr.Tag{"e", t.root.Event.ID, string(t.repo.hint)}, ptag(t.root.PubKey), nostr.Tag{"k", strconv.Itoa(t.root.Kind)})
}

// label sorts the root (NIP-32).
func (s *Source) label(t *thread, by identity, at time.Time) *event.Event {
	l := pick(s, []string{"good-first-issue", "wontfix", "help-wanted"})
	return s.sign(by, kindLabel, at, "", nostr.Tag{"L", "#t"}, nostr.Tag{"l", l, "#t"}, nostr.Tag{"e", t.root.Event.ID})
}

// update moves the tip of a pull request.
func (s *Source) update(t *thread, at time.Time) *event.Event {
	by := s.authorOf(t.root)
	tags := append(t.repo.address(), nostr.Tag{"E", t.root.Event.ID}, nostr.Tag{"P", t.root.Event.PubKey}, nostr.Tag{"c", s.commit()},
		nostr.Tag{"clone", "https://" + s.domain + "/prs/contributor.git"})
	t.last = at
	return s.sign(by, event.KindPRUpdate, at, "", tags...)
}

// revision is a later patch of a series: it answers the one before.
func (s *Source) revision(t *thread, previous *event.Event, at time.Time) *event.Event {
	title, commit := s.title(), s.commit()
	tags := append(t.repo.address(), nostr.Tag{"e", t.root.Event.ID, "", "root"}, nostr.Tag{"e", previous.Event.ID, "", "reply"},
		nostr.Tag{"commit", commit}, ptag(t.repo.refs[0].PubKey))
	t.last = at
	return s.sign(s.authorOf(t.root), event.KindPatch, at, s.patchText(title, commit), tags...)
}

// authorOf finds who signed a generated event.
func (s *Source) authorOf(e *event.Event) identity {
	for _, p := range s.people {
		if p.pub == e.PubKey {
			return p
		}
	}
	return s.people[0] // roots are written by people
}
