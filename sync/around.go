package sync

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
)

// What lies around a repo is asked with the help of the ledger: the replies to replies (layer 3b), the deletions by authors of its events,
// and the ancestors that its events name and that nobody has (DESIGN §5).

const (
	repliesMost   = 10_000 // of one repo in one pass, the newest
	lacksPerDay   = 1000   // of one repo (DESIGN §5)
	lacksKept     = 100_000
	lackAge       = 30 * 24 * time.Hour
	ancestorsOpen = 1000 // waiting to be asked at one relay
)

// recall is a question to the ledger about a repo. Several relays may wait for the same answer.
type recall struct {
	key     recallKey
	number  uint64
	waiting map[*pass]*remote
	done    bool
	began   time.Time
	at      time.Time // of the answer
	Recalled
}

type recallKey struct {
	repo  *repo
	since int64 // of replies, unix seconds; 0: all
}

func (x *recall) leave(p *pass) {
	delete(x.waiting, p)
}

// recallFor reports whether the ledger has answered what the pass has to know around a want.
func (e *Engine) recallFor(p *pass, w *want, now time.Time) bool {
	if !w.listed || (p.rotates() && !p.tier(w.repo.active)) {
		p.replies, p.keys, p.lacks = nil, nil, nil
		return true
	}
	if p.fills && !p.calm {
		if p.running(w.remote) {
			return false
		}
		// What came before a root that it belongs to is parked, which settles its batch. It is given the time to follow that root.
		if p.calm = true; w.remote.stored > p.stored {
			p.notBefore = w.remote.lastSettled.Add(e.cfg.SettleDelay)
		}
	}
	if now.Before(p.notBefore) {
		return false
	}
	if p.recall == nil {
		p.recall = e.recallOf(p, w, now)
	}
	if !p.recall.done {
		p.recall.waiting[p] = w.remote
		return false
	}
	p.replies, p.keys, p.lacks = p.recall.Replies, nil, nil
	if !p.rotates() {
		p.lacks = slices.SortedFunc(maps.Keys(w.repo.lacks), func(a, b event.ID) int { return bytes.Compare(a[:], b[:]) })
		if p.authors == nil {
			p.authors = map[event.PubKey]bool{}
		}
		for _, k := range p.recall.Authors {
			if !p.authors[k] {
				p.authors[k] = true
				p.keys = append(p.keys, k)
			}
		}
	}
	p.recall = nil
	return true
}

// waits reports whether the pass cannot go on without the ledger.
func (p *pass) waits(now time.Time) bool {
	return !p.issued && (now.Before(p.notBefore) || (p.recall != nil && !p.recall.done))
}

// replySince is the age of replies that a pass looks around.
func (p *pass) replySince(now time.Time) time.Time {
	switch p.kind {
	case rotateHot:
		return p.since.Add(-hot)
	case rotateWarm:
		return p.since.Add(-warm)
	case catchUp:
		return now.Add(-replyAge)
	case daily, around:
	}
	return time.Time{}
}

// recallOf asks the ledger, unless the same question is open or was answered a short while ago. The first look around a want needs what
// the relay has brought before.
func (e *Engine) recallOf(p *pass, w *want, now time.Time) *recall {
	r, key := w.repo, recallKey{repo: w.repo}
	if since := p.replySince(now); !since.IsZero() {
		key.since = since.Truncate(time.Hour).Unix()
	}
	old := (p.kind != around && !p.fills) || w.remote.lastSettled.IsZero()
	if x := e.recalls[key]; x != nil && (old || !x.began.Before(w.remote.lastSettled)) && (!x.done || now.Sub(x.at) < e.cfg.PollInterval) {
		return x
	}
	if now.Sub(e.recallsTidied) >= e.cfg.PollInterval {
		e.recallsTidied = now
		maps.DeleteFunc(e.recalls, func(_ recallKey, x *recall) bool { return x.done && now.Sub(x.at) >= e.cfg.PollInterval })
	}
	e.lastRecall++
	x := &recall{key: key, number: e.lastRecall, began: now, waiting: map[*pass]*remote{}}
	e.recalls[key] = x
	q := RecallQuery{Coords: r.currentCoords(), Roots: e.rootIDs(r), Max: repliesMost}
	if key.since > 0 {
		q.Since = time.Unix(key.since, 0)
	}
	e.emit(Recall{Number: x.number, Query: q})
	e.recalling[x.number] = x
	return x
}

// Recalled takes the answer to a Recall. Without one the question is asked again after a while.
func (e *Engine) Recalled(number uint64, answer Recalled, err error, now time.Time) {
	x := e.recalling[number]
	if x == nil {
		return
	}
	delete(e.recalling, number)
	if err != nil {
		e.log.Warn("ledger does not answer; asked again in a minute", zap.Error(err))
		delete(e.recalls, x.key)
		for p, r := range x.waiting {
			p.recall, p.notBefore = nil, now.Add(time.Minute)
			e.touch(r)
		}
		e.flush(now)
		return
	}
	x.done, x.at, x.Recalled = true, now, answer
	if len(answer.Replies)+len(answer.Authors) > 1000 {
		delete(e.recalls, x.key) // those who wait hold it
	}
	for _, r := range x.waiting {
		e.touch(r)
	}
	x.waiting = nil
	e.flush(now)
}

// accepted takes in what the own relay has: activity of roots, ancestors found, and ancestors that are lacking.
func (e *Engine) accepted(a relay.Accepted, now time.Time) {
	for _, ev := range a.Events {
		for _, r := range e.lacking[ev.ID] {
			delete(r.lacks, ev.ID)
			e.persist(DropLack{r.ref, ev.ID})
		}
		delete(e.lacking, ev.ID)
		for _, id := range ev.Refs.IDs {
			e.stir(id, ev.CreatedAt, now)
		}
		if len(ev.Lacks) > 0 {
			e.lacks(ev, now)
		}
	}
}

// lacks notes ancestors for the repos that an event belongs to, and has the repos' relays asked for them.
func (e *Engine) lacks(ev relay.AcceptedEvent, now time.Time) {
	for _, r := range e.reposOf(ev.Refs) {
		for _, id := range ev.Lacks {
			if !e.lack(r, id, now) {
				continue
			}
			e.persist(SaveLack{r.ref, id, now})
			for _, w := range r.sortedWants() {
				if m := w.remote; w.listed && m.phase.Open() && len(m.ancestors) < ancestorsOpen {
					m.ancestors = append(m.ancestors, id)
					e.touch(m)
				}
			}
		}
	}
}

// lack notes one ancestor and reports whether it is new.
func (e *Engine) lack(r *repo, id event.ID, at time.Time) bool {
	if _, have := r.lacks[id]; have {
		return false
	}
	day := at.Truncate(24 * time.Hour)
	if day.After(e.lackDay) { // also of repos where nothing new is lacking
		e.lackDay = day
		for _, x := range e.repos {
			for old, noted := range x.lacks {
				if at.Sub(noted) > lackAge {
					e.unlack(x, old)
				}
			}
		}
	}
	if len(e.lacking) >= lacksKept {
		return false
	}
	if !r.lackDay.Equal(day) {
		r.lackDay, r.lackCount = day, 0
	}
	if r.lackCount++; r.lackCount > lacksPerDay {
		return false
	}
	if r.lacks == nil {
		r.lacks = map[event.ID]time.Time{}
	}
	r.lacks[id] = at
	e.lacking[id] = append(e.lacking[id], r)
	return true
}

// unlack gives an ancestor up.
func (e *Engine) unlack(r *repo, id event.ID) {
	delete(r.lacks, id)
	e.persist(DropLack{r.ref, id})
	if rest := slices.DeleteFunc(e.lacking[id], func(x *repo) bool { return x == r }); len(rest) > 0 {
		e.lacking[id] = rest
	} else {
		delete(e.lacking, id)
	}
}

// reposOf are the repos that something belongs to, by what it references.
func (e *Engine) reposOf(refs event.References) []*repo {
	var out []*repo
	add := func(rs []*repo) {
		for _, r := range rs {
			if !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
	}
	for _, c := range refs.Refs {
		add(e.tagged[c])
	}
	for _, id := range refs.IDs {
		add(e.homes(id))
	}
	return out
}

// nextAncestors makes a batch of the ancestors that are asked at once.
func (e *Engine) nextAncestors(r *remote) *batch {
	c := newChunker(e.cfg.BatchChunks, e.cfg.TagsPerFilter)
	wanted := slices.DeleteFunc(r.ancestors, func(id event.ID) bool { return e.lacking[id] == nil })
	r.ancestors = c.takeIDs(askLacks, wanted)
	if len(r.ancestors) == 0 {
		r.ancestors = nil
	}
	return e.newBatch(r, c, nil)
}
