package embedded

import (
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/relay/embedded/server"
)

// maxAhead is how far created_at may lie in the future: clocks differ.
const maxAhead = 15 * time.Minute

func refused(message string) (server.Answer, error) { return server.Answer{Message: message}, nil }

// judge decides about one event and stores it. It sees what earlier events of the transaction did.
func (k *keeper) judge(tx *txn, e *event.Event, now time.Time) (server.Answer, error) {
	if known, err := tx.has(e.ID); err != nil || known {
		return server.Answer{OK: true, Message: "duplicate: already have this event"}, err
	}
	switch {
	case k.rules.DenyAuthors[e.PubKey]:
		return refused("blocked: the author is denied here")
	case e.CreatedAt.Time().After(now.Add(maxAhead)):
		return refused("invalid: created_at lies in the future")
	case e.Expired(now):
		return refused("invalid: the event has expired")
	}
	if gone, err := tx.deleted(e); err != nil {
		return server.Answer{}, err
	} else if gone {
		return refused("blocked: this event has been deleted")
	}
	var old event.ID
	var replaces bool
	if event.IsReplaceable(e.Kind) {
		id, createdAt, ok, err := tx.byAddress(e.Coordinate())
		if err != nil {
			return server.Answer{}, err
		}
		if ok && !e.Supersedes(createdAt, id) {
			return refused("replaced: have newer event")
		}
		old, replaces = id, ok
	}
	verdict, err := k.scope(tx, e)
	if err != nil || verdict.refusal != "" {
		return server.Answer{Message: verdict.refusal}, err
	}
	if e.Kind >= 20000 && e.Kind < 30000 {
		return server.Answer{OK: true, Broadcast: true}, nil // ephemeral: passed on, not stored
	}
	if replaces {
		if err := tx.remove(old); err != nil {
			return server.Answer{}, err
		}
	}
	for _, id := range verdict.deletes {
		if err := tx.remove(id); err != nil {
			return server.Answer{}, err
		}
	}
	if err := tx.insert(e); err != nil {
		return server.Answer{}, err
	}
	if verdict.announcement != nil {
		k.index.Add(verdict.announcement.Slim())
	}
	for _, ref := range verdict.withdraws {
		k.index.Remove(ref)
	}
	return server.Answer{OK: true, Broadcast: true}, nil
}

// verdict is what an event may do here.
type verdict struct {
	refusal      string // empty: it is taken
	announcement *nip34.Announcement
	deletes      []event.ID  // stored events that a deletion takes with it
	withdraws    []event.Ref // announcements among them
}

const (
	notListed   = "blocked: repository announcement doesn't list this service"
	noRepo      = "blocked: no announcement exists here that makes the author a maintainer of this repository"
	notRelated  = "blocked: event does not relate to a stored repository"
	notTheirs   = "blocked: you are not the author of this event"
	noSuchIdent = "invalid: the announcement has no identifier"
)

// scope asks whether an event belongs here: the rule of the publisher, with what is stored in place of what is known.
func (k *keeper) scope(tx *txn, e *event.Event) (verdict, error) {
	switch e.Kind {
	case event.KindAnnouncement:
		a, err := nip34.ParseAnnouncement(e)
		if err != nil {
			return verdict{refusal: noSuchIdent}, nil
		}
		if !k.index.Accepts(a) {
			return verdict{refusal: notListed}, nil
		}
		return verdict{announcement: a}, nil
	case event.KindState:
		if !k.index.AcceptsState(e.PubKey, e.D()) {
			return verdict{refusal: noRepo}, nil
		}
		return verdict{}, nil
	case event.KindDeletion:
		return k.deletion(tx, e)
	case event.KindVanish:
		return k.vanish(tx, e)
	}
	related, err := k.related(tx, e)
	if err != nil || related {
		return verdict{}, err
	}
	return verdict{refusal: notRelated}, nil
}

// related reports whether an event names a coordinate in scope or something stored, or something stored names it.
func (k *keeper) related(tx *txn, e *event.Event) (bool, error) {
	refs := e.References()
	for _, ref := range refs.Refs {
		if k.index.Covers(ref) {
			return true, nil
		}
		if _, _, ok, err := tx.byAddress(ref); err != nil || ok {
			return ok, err
		}
	}
	for _, id := range refs.IDs {
		if ok, err := tx.has(id); err != nil || ok {
			return ok, err
		}
	}
	return tx.named(e)
}

// deletion works out what a deletion takes with it (NIP-09). Targets by others are left alone; one that has no target
// but those is refused.
func (k *keeper) deletion(tx *txn, e *event.Event) (verdict, error) {
	var v verdict
	var own, foreign bool
	refs := e.Deletes()
	foreign = len(e.References().Refs) > len(refs.Refs)
	for _, id := range refs.IDs {
		author, kind, ok, err := tx.author(id)
		if err != nil {
			return v, err
		}
		switch {
		case !ok:
		case author != e.PubKey:
			foreign = true
		case !event.Deletable(kind):
			own = true // no effect, but theirs to say
		default:
			own = true
			v.deletes = append(v.deletes, id)
		}
	}
	for _, ref := range refs.Refs {
		id, createdAt, ok, err := tx.byAddress(ref)
		if err != nil {
			return v, err
		}
		own = own || ok || k.index.Covers(ref)
		if ok && createdAt <= int64(e.CreatedAt) {
			v.deletes = append(v.deletes, id)
		}
	}
	switch {
	case own:
		return k.withdrawn(tx, v)
	case foreign:
		return verdict{refusal: notTheirs}, nil
	}
	return verdict{refusal: notRelated}, nil
}

// vanish works out what a request to vanish takes with it (NIP-62): everything of its author up to its own created_at. It must name us, and
// the author must have something here.
func (k *keeper) vanish(tx *txn, e *event.Event) (verdict, error) {
	if !k.rules.Vanishes(e) {
		return verdict{refusal: notRelated}, nil
	}
	ids, err := tx.written(e.PubKey, int64(e.CreatedAt))
	if err != nil || len(ids) == 0 {
		return verdict{refusal: notRelated}, err
	}
	return k.withdrawn(tx, verdict{deletes: ids})
}

// withdrawn finds the announcements among what is deleted.
func (k *keeper) withdrawn(tx *txn, v verdict) (verdict, error) {
	for _, id := range v.deletes {
		ref, ok, err := tx.coordinate(id)
		if err != nil {
			return v, err
		}
		if ok && ref.Kind == event.KindAnnouncement {
			v.withdraws = append(v.withdraws, ref)
		}
	}
	return v, nil
}
