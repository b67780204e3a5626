package demo

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// Kinds of what stands around a conversation.
const (
	kindZap     = 9735
	kindArticle = 30023
	strangers   = 400 // identities who take part in no conversation, 10 for each repository

	tooFar = "Nobody asks for this." // content of what a relay might take, and what must not be fetched
)

// addSurroundings writes what is found only by the conversations themselves: what comments quote, what is said of comments, what
// their authors take back. For most of it there is something alike that must not arrive.
func (w *World) addSurroundings(now time.Time) {
	s := w.source
	for n, r := range s.repos {
		for _, t := range r.threads {
			if len(r.hosts) < 2 || t.last.After(now.Add(-time.Hour)) {
				continue
			}
			here, there := r.hosts[n%len(r.hosts)], r.hosts[(n+1)%len(r.hosts)]
			w.addQuotes(t, n, here, there)
			w.addEchoes(t, here, there)
			w.addRegrets(t, n, here, there)
			break
		}
	}
}

// remark is a comment on the root that names more.
func (s *Source) remark(t *thread, by identity, also ...nostr.Tag) *event.Event {
	t.last = t.last.Add(time.Minute)
	return s.sign(by, kindComment, t.last, pick(s, replies), append(nostr.Tags{
		{"E", t.root.Event.ID, string(t.repo.hint), t.root.Event.PubKey}, {"K", strconv.Itoa(t.root.Kind)}, {"P", t.root.Event.PubKey},
		{"e", t.root.Event.ID, string(t.repo.hint), t.root.Event.PubKey}, {"k", strconv.Itoa(t.root.Kind)}, ptag(t.root.PubKey),
	}, also...)...)
}

// addQuotes has a comment on one relay name what lies on another: a note and an article belong to the conversation, and
// what these name in turn does not.
func (w *World) addQuotes(t *thread, n int, here, there *Relay) {
	s := w.source
	stranger := s.identity(strangers + 10*n)
	before := t.root.CreatedAt.Time()
	note := func(content string, tags ...nostr.Tag) *event.Event {
		return s.sign(stranger, kindNote, before.Add(-time.Hour), content, tags...)
	}
	deeper := note(tooFar, nostr.Tag{"t", "deeper"})
	quoted := note("Has anybody tried this with git over nostr?", nostr.Tag{"q", deeper.Event.ID})
	named := note("It broke here, too.")
	article := s.sign(stranger, kindArticle, before, "How I moved my code.", nostr.Tag{"d", "moved"}, nostr.Tag{"title", "Moving"})
	if there.traits.guarded {
		here, there = there, here // notes are not to be had from it
	}
	put(s.remark(t, s.person(), nostr.Tag{"q", quoted.Event.ID, "wss://hint.example"}), here)
	put(s.remark(t, s.person(), nostr.Tag{"e", named.Event.ID}, nostr.Tag{"q", article.Event.ID}), here)
	put(quoted, there)
	put(deeper, there)
	put(named, there)
	put(article, there)
	// What is said of a note that is only quoted.
	put(s.sign(s.person(), kindReaction, before, tooFar, nostr.Tag{"e", quoted.Event.ID}), there)

	// Named by a comment, and not for us all the same.
	old := nostr.Tag{"expiration", "1600000000"}
	foreign := []*event.Event{
		s.announce(stranger, "foreign", before, false, []*Relay{there}),
		s.state(stranger, "foreign", before),
		s.sign(stranger, event.KindGiftWrap, before, tooFar, nostr.Tag{"p", t.root.Event.PubKey}),
		note(tooFar, old),
		note(tooFar, nostr.Tag{"-"}),
	}
	var tags nostr.Tags
	for _, e := range foreign {
		put(e, there)
		tags = append(tags, nostr.Tag{"q", e.Event.ID})
	}
	away := note(tooFar)
	for _, r := range w.relays {
		if !slices.Contains(t.repo.hosts, r) {
			put(away, r)
			tags = append(tags, nostr.Tag{"q", away.Event.ID, string(r.Name)})
			break
		}
	}
	put(s.remark(t, s.person(), tags...), here)
}

// addEchoes writes what names nothing but a comment, on one of its relays.
func (w *World) addEchoes(t *thread, here, there *Relay) {
	s := w.source
	comment := s.remark(t, s.person())
	put(comment, here, there)
	id := nostr.Tag{"e", comment.Event.ID}
	reply := s.sign(s.person(), kindNote, t.last, "I think so, too.", id)
	if there.traits.guarded {
		put(reply, here)
	} else {
		put(reply, there)
	}
	put(s.sign(s.person(), kindReaction, t.last, "+", id, nostr.Tag{"k", strconv.Itoa(kindComment)}), there)
	put(s.sign(s.person(), kindLabel, t.last, "", nostr.Tag{"L", "#t"}, nostr.Tag{"l", "helpful", "#t"}, id), there)
	put(s.sign(s.person(), kindComment, t.last, "An answer that names no root.", id, nostr.Tag{"k", strconv.Itoa(kindComment)}), there)
	put(s.sign(s.person(), kindZap, t.last, "", id, ptag(comment.PubKey), nostr.Tag{"bolt11", "lnbc10u1" + strings.Repeat("p", 40)}), there)
	// A kind that is not asked for, and a step too deep.
	put(s.sign(s.person(), kindRepost, t.last, tooFar, id), there)
	put(s.sign(s.person(), kindReaction, t.last, tooFar, nostr.Tag{"e", reply.Event.ID}), there)
}

// addRegrets lets authors of comments take back what they said. The deletion lies apart from what it deletes.
func (w *World) addRegrets(t *thread, n int, here, there *Relay) {
	s := w.source
	author := s.person()
	taken := s.remark(t, author)
	echo := s.sign(author, kindReaction, t.last, "-", nostr.Tag{"e", taken.Event.ID})
	stays := s.remark(t, author)
	put(taken, here)
	put(echo, here)
	put(stays, here, there)
	put(s.sign(author, event.KindDeletion, t.last.Add(time.Minute), "", nostr.Tag{"e", taken.Event.ID}, nostr.Tag{"e", echo.Event.ID}), there)
	// Somebody else cannot, and what else an author takes back is not ours.
	put(s.sign(s.identity(strangers+10*n+1), event.KindDeletion, t.last.Add(time.Minute), "not mine", nostr.Tag{"e", stays.Event.ID}), there)
	elsewhere := s.sign(author, kindNote, t.last, "Good morning.")
	put(elsewhere, here)
	put(s.sign(author, event.KindDeletion, t.last.Add(time.Minute), "", nostr.Tag{"e", elsewhere.Event.ID}), there)
}
