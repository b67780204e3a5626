package store

import (
	"errors"
	"maps"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
)

// ledgerRow is a new row of the ledger.
type ledgerRow struct {
	num           int64
	id            event.ID
	facts         *facts
	entry         entry
	seen, updated int64
}

type tagRow struct{ tag, ledger int64 }

// ground is what the writer carries from one group to the next. A plan works on a copy, which takes its place when the
// group is committed.
type ground struct {
	last    int64 // highest ledger.num
	loss    loss
	tainted map[relayurl.URL]bool // relays of which a confirm was refused
}

// plan is a group of rows, turned into statements.
type plan struct {
	ground
	names map[string]bool // urls and coordinates that are surely in the database; shared with the writer
	fresh map[string]bool // names to be added to it after the commit

	before []stmt // names that rows refer to
	ledger []ledgerRow
	tags   []tagRow
	after  []stmt

	delta     map[relay.Disposition]int64
	pending   int64
	recovered relay.Seq
	refused   int        // confirms that rest on what was lost
	strays    []event.ID // parked without event, and not there
	err       error      // a row that cannot be encoded
}

func newPlan(g ground, names map[string]bool) *plan {
	g.tainted = maps.Clone(g.tainted)
	return &plan{ground: g, names: names, fresh: map[string]bool{}, delta: map[relay.Disposition]int64{}}
}

// idsOf lists the ids that a group changes, each once, in order.
func idsOf(group []*item) [][]byte {
	seen := make(map[event.ID]bool, len(group))
	ids := make([][]byte, 0, len(group))
	for _, it := range group {
		if it.op != nil && it.op.verb != bury && !seen[it.op.id] {
			seen[it.op.id] = true
			ids = append(ids, it.op.id[:])
		}
	}
	return ids
}

// build plans a group, given what the ledger has of its ids.
func (p *plan) build(group []*item, have map[event.ID]known) {
	fates := map[event.ID]*fate{}
	var order []event.ID
	for _, it := range group {
		if !it.offer.IsZero() {
			p.offer(it.offer, fates)
		}
		if it.op == nil {
			continue
		}
		if it.op.verb == bury {
			p.bury(it.op)
			continue
		}
		f := fates[it.op.id]
		if f == nil {
			k, exists := have[it.op.id]
			f = &fate{exists: exists, disposition: k.disposition, waits: k.waits}
			fates[it.op.id] = f
			order = append(order, it.op.id)
		}
		f.apply(it.op)
	}
	for _, id := range order {
		k, exists := have[id]
		p.settle(id, fates[id], k, exists)
	}
	for _, it := range group {
		switch {
		case it.row != nil:
			p.engineRow(it)
		case it.scope != nil:
			p.rescope(it.scope)
		case it.op == nil && it.offer.IsZero():
			p.recover(it.recover)
		}
	}
}

// offer lets all refused events be offered again. What the group changes of a row stands in the fates so far, or comes later
// and is written behind it.
func (p *plan) offer(from time.Time, fates map[event.ID]*fate) {
	for _, f := range fates {
		f.offer(from)
	}
	p.before = append(p.before, stmt{`UPDATE ledger SET offer_at = $1 WHERE disposition IN ($2, $3)`,
		[]any{millis(from), int64(relay.Rejected), int64(relay.OwnLimit)}})
}

// settle plans what makes the database agree with a fate.
func (p *plan) settle(id event.ID, f *fate, k known, existed bool) {
	if f.stray {
		p.strays = append(p.strays, id)
	}
	num := k.num
	switch {
	case existed && !f.exists:
		p.remove(k)
		return
	case existed && f.fresh:
		p.delta[k.disposition]--
		p.delta[f.disposition]++
		p.name(f.entry.source)
		p.do(`UPDATE ledger SET disposition = $1, reason = $2, source = (SELECT num FROM urls WHERE url = $3), first_seen = $4,
			updated = $5, offers = $6, offer_at = $7 WHERE num = $8`,
			int64(f.disposition), f.entry.reason, []byte(f.entry.source), f.seen.UnixMilli(), f.at.UnixMilli(),
			int64(f.entry.offer.Count), millis(f.entry.offer.Due), num)
	case existed && f.changed:
		p.delta[k.disposition]--
		p.delta[f.disposition]++
		p.name(f.entry.source)
		p.do(`UPDATE ledger SET disposition = $1, reason = $2, source = coalesce(source, (SELECT num FROM urls WHERE url = $3)),
			updated = $4, offers = $5, offer_at = $6 WHERE num = $7`,
			int64(f.disposition), f.entry.reason, []byte(f.entry.source), f.at.UnixMilli(),
			int64(f.entry.offer.Count), millis(f.entry.offer.Due), num)
	case !existed && f.exists && f.facts != nil:
		p.last++
		num = p.last
		p.delta[f.disposition]++
		p.name(f.entry.source)
		p.ledger = append(p.ledger, ledgerRow{num, id, f.facts, f.entry, f.seen.UnixMilli(), f.at.UnixMilli()})
		for _, tag := range f.facts.tags {
			p.tags = append(p.tags, tagRow{tag, num})
		}
	case !existed:
		return
	}
	p.settlePending(num, f, k)
}

func (p *plan) settlePending(num int64, f *fate, k known) {
	switch {
	case k.waits && !f.waits:
		p.pending--
		p.do(`DELETE FROM pending WHERE ledger = $1`, num)
	case f.wait == nil:
	case f.whole:
		if !k.waits {
			p.pending++
		}
		w := f.wait
		raw, err := w.Event.MarshalJSON()
		if err != nil {
			p.garble(err)
			return
		}
		p.name(w.Source)
		p.do(`INSERT INTO pending (ledger, cause, tries, due, since, source, size, reason, needs, event)
			VALUES ($1, $2, $3, $4, $5, (SELECT num FROM urls WHERE url = $6), $7, $8, $9, $10)
			ON CONFLICT (ledger) DO UPDATE SET cause = excluded.cause, tries = excluded.tries, due = excluded.due,
			since = excluded.since, source = excluded.source, size = excluded.size, reason = excluded.reason,
			needs = excluded.needs, event = excluded.event`,
			append(p.waitArgs(num, w), raw)...)
	default:
		p.name(f.wait.Source)
		p.do(`UPDATE pending SET cause = $2, tries = $3, due = $4, since = $5, source = (SELECT num FROM urls WHERE url = $6),
			size = $7, reason = $8, needs = $9 WHERE ledger = $1`, p.waitArgs(num, f.wait)...)
	}
}

func (p *plan) waitArgs(num int64, w *relay.Waiting) []any {
	size := w.Size
	if size == 0 && w.Event != nil {
		size = w.Event.Size
	}
	return []any{
		num, int64(w.Cause), int64(w.Tries), millis(w.Due), millis(w.Since), []byte(w.Source), int64(size),
		clip(w.Reason), packReferences(w.Needs),
	}
}

func (p *plan) remove(k known) {
	p.delta[k.disposition]--
	for _, tag := range unpackKeys(k.tags) {
		p.do(`DELETE FROM ledger_tags WHERE tag = $1 AND ledger = $2`, tag, k.num)
	}
	if k.waits {
		p.pending--
		p.do(`DELETE FROM pending WHERE ledger = $1`, k.num)
	}
	p.do(`DELETE FROM ledger WHERE num = $1`, k.num)
}

func (p *plan) recover(upTo relay.Seq) {
	p.recovered = max(p.recovered, upTo)
	p.loss.recover(upTo)
	if p.loss.none() {
		p.tainted = nil
	}
}

// errGarbled says that a row cannot be encoded.
var errGarbled = errors.New("row cannot be encoded")

func (p *plan) garble(err error) { p.err = errors.Join(p.err, errGarbled, err) }

func (p *plan) do(sql string, args ...any) { p.after = append(p.after, stmt{sql, args}) }

// name makes sure that a URL has a number.
func (p *plan) name(u relayurl.URL) {
	if u != "" && p.first("u"+string(u)) {
		p.before = append(p.before, stmt{`INSERT INTO urls (url) VALUES ($1) ON CONFLICT (url) DO NOTHING`, []any{[]byte(u)}})
	}
}

// coordinate makes sure that a coordinate has a number, and returns its digest.
func (p *plan) coordinate(ref event.Ref) []byte {
	d := digest(ref)
	if p.first("c" + string(d)) {
		p.before = append(p.before, stmt{
			`INSERT INTO coordinates (digest, kind, pubkey, d) VALUES ($1, $2, $3, $4) ON CONFLICT (digest) DO NOTHING`,
			[]any{d, int64(ref.Kind), ref.PubKey[:], []byte(ref.D)},
		})
	}
	return d
}

func (p *plan) first(key string) bool {
	if p.names[key] || p.fresh[key] {
		return false
	}
	p.fresh[key] = true
	return true
}
