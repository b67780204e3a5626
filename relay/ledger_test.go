package relay

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// memLedger is a Ledger in memory.
type memLedger struct {
	mu      sync.Mutex
	seq     Seq
	entries map[event.ID]Entry
	waiting map[event.ID]Waiting
	graves  map[Grave]bool
	asked   []event.Ref // of IrrelevantAddressed
	broken  bool        // reads fail
	full    atomic.Bool
	hangs   atomic.Bool // waiting events are read until somebody gives up
}

func newMemLedger() *memLedger {
	return &memLedger{entries: make(map[event.ID]Entry), waiting: make(map[event.ID]Waiting), graves: make(map[Grave]bool)}
}

var (
	_              Ledger = (*memLedger)(nil)
	errStoreBroken        = errors.New("store is broken")
)

func (l *memLedger) row(f func()) Seq {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	l.seq++
	return l.seq
}

func (l *memLedger) Record(e Entry) Seq { return l.row(func() { l.entries[e.Event.ID] = e }) }

func (l *memLedger) OfferRefused(from time.Time) Seq {
	return l.row(func() {
		for id, e := range l.entries {
			if refused(e.Disposition) {
				e.Offer.Due = from
				l.entries[id] = e
			}
		}
	})
}

func (l *memLedger) LoadOffers(_ context.Context, yield func(event.ID, Offer)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return errStoreBroken
	}
	for id, e := range l.entries {
		if !e.Offer.Due.IsZero() {
			yield(id, e.Offer)
		}
	}
	return nil
}

func (l *memLedger) Park(w Waiting) (Seq, bool) {
	if l.full.Load() {
		return 0, false
	}
	return l.row(func() {
		l.waiting[w.ID] = w
		delete(l.entries, w.ID) // it says pending
	}), true
}

// refused lists entries with a disposition that say nothing since a moment, by time.
func (l *memLedger) refused(before time.Time, ds ...Disposition) []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Entry
	for _, e := range l.entries {
		if slices.Contains(ds, e.Disposition) && e.At.Before(before) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b Entry) int {
		return cmp.Or(a.At.Compare(b.At), slices.Compare(a.Event.ID[:], b.Event.ID[:]))
	})
	return out
}

func (l *memLedger) LoadBooked(_ context.Context, yield func(event.ID, Disposition, relayurl.URL)) error {
	for _, e := range l.refused(time.Unix(1<<40, 0), Irrelevant, Rejected, OwnLimit, Superseded, Tombstone) {
		yield(e.Event.ID, e.Disposition, e.Source)
	}
	return nil
}

func (l *memLedger) Refused(_ context.Context, before time.Time, beyond int64, n int) (ids []event.ID, position int64, err error) {
	if l.broken {
		return nil, 0, errStoreBroken
	}
	all := l.refused(before, Rejected, Irrelevant) // those of the chunk before are gone
	for _, e := range all[:min(n, len(all))] {
		ids = append(ids, e.Event.ID)
	}
	return ids, beyond + int64(len(ids)), nil
}

func (l *memLedger) Full() bool { return l.full.Load() }
func (l *memLedger) Amend(ids []event.ID, d Disposition, reason string, at time.Time) Seq {
	return l.row(func() {
		for _, id := range ids {
			e, ok := l.entries[id]
			if w, waits := l.waiting[id]; waits && !ok {
				e, ok = Entry{Event: w.Event, Source: w.Source}, true
			}
			if ok {
				e.Disposition, e.Reason, e.At, e.Offer = d, reason, at, Offer{}
				l.entries[id] = e
			}
		}
	})
}

func (l *memLedger) Bury(graves []Grave) Seq {
	return l.row(func() {
		for _, g := range graves {
			l.dig(g)
			l.graves[g] = true
		}
	})
}

func (l *memLedger) Exhume(graves []Grave) Seq {
	return l.row(func() {
		for _, g := range graves {
			l.dig(g)
		}
	})
}

// dig removes the grave of the same author and target.
func (l *memLedger) dig(g Grave) {
	maps.DeleteFunc(l.graves, func(o Grave, _ bool) bool { return o.Author == g.Author && o.Target == g.Target })
}

func (l *memLedger) LoadGraves(_ context.Context, yield func(Grave)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for g := range l.graves {
		yield(g)
	}
	return nil
}

// events are those of rows, waiting ones among them.
func (l *memLedger) events() []*event.Event {
	var out []*event.Event
	for _, e := range l.entries {
		out = append(out, e.Event)
	}
	for _, w := range l.waiting {
		out = append(out, w.Event)
	}
	return out
}

func (l *memLedger) Authors(_ context.Context, ids []event.ID) (map[event.ID]event.PubKey, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return nil, errStoreBroken
	}
	out := make(map[event.ID]event.PubKey)
	for _, e := range l.events() {
		if slices.Contains(ids, e.ID) {
			out[e.ID] = e.PubKey
		}
	}
	return out, nil
}

func (l *memLedger) Written(_ context.Context, d Deletion) ([]event.ID, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return nil, errStoreBroken
	}
	var out []event.ID
	for _, e := range l.events() {
		late := int64(e.CreatedAt) > d.Until
		named := slices.Contains(d.IDs, e.ID) || !late && event.IsAddressable(e.Kind) && slices.Contains(d.Refs, e.Coordinate())
		if e.PubKey == d.Author && (named && event.Deletable(e.Kind) || d.All && !late && e.Kind != event.KindVanish) {
			out = append(out, e.ID)
		}
	}
	slices.SortFunc(out, func(a, b event.ID) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(out), nil
}

func (l *memLedger) Unpark(id event.ID) Seq { return l.row(func() { delete(l.waiting, id) }) }

func (l *memLedger) Forget(ids []event.ID) Seq {
	return l.row(func() {
		for _, id := range ids {
			delete(l.entries, id)
		}
	})
}

func (l *memLedger) LoadKnown(_ context.Context, yield func(event.ID, Disposition)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return errStoreBroken
	}
	for id, e := range l.entries {
		yield(id, e.Disposition)
	}
	return nil
}

func (l *memLedger) LoadWaiting(_ context.Context, yield func(Waiting)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return errStoreBroken
	}
	for _, w := range l.waiting {
		e := w.Event
		w.Event, w.Index = nil, &WaitingIndex{e.PubKey, int64(e.CreatedAt)}
		yield(w)
	}
	return nil
}

func (l *memLedger) WaitingEvents(ctx context.Context, ids []event.ID) ([]Waiting, error) {
	if l.hangs.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return nil, errStoreBroken
	}
	var out []Waiting
	for _, id := range ids {
		if w, ok := l.waiting[id]; ok {
			out = append(out, w)
		}
	}
	return out, nil
}

func (l *memLedger) IrrelevantAddressed(_ context.Context, pk event.PubKey, d string) ([]event.ID, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return nil, errStoreBroken
	}
	l.asked = append(l.asked, event.RepoRef(pk, d))
	var ids []event.ID
	for id, e := range l.entries {
		if e.Disposition == Irrelevant && addressed(e.Event.Kind) && e.Event.PubKey == pk && e.Event.D() == d {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b event.ID) int { return slices.Compare(a[:], b[:]) })
	return ids, nil
}

// disposition of an id, Parked or Held when it waits.
func (l *memLedger) disposition(id event.ID) Disposition {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w, ok := l.waiting[id]; ok {
		return parkedAs(w.Cause)
	}
	return l.entries[id].Disposition
}

func (l *memLedger) fail(broken bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = broken
}
