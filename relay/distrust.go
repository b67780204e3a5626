package relay

import (
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// Numbers of refusals in a row.
const (
	maxRefusals    = 50      // with one text, and the own relay is taken for misconfigured (DESIGN §6, Answers)
	refusalBytes   = 8 << 20 // of the events that are remembered for that
	fairTexts      = 64
	strangersNoted = 64 // sources, authors and kinds of what was refused, each
)

// distrust is what speaks for a misconfigured own relay: the lasting refusals in a row that had one text. They are recorded as they come;
// when there are too many, it is the own relay that is wrong and not the events: then the records are taken back and publishing stands
// still, but for probes (link.halt).
type distrust struct {
	text  string    // of the last ones in a row, as sameText gives it; empty: there are none
	rows  []Waiting // these, oldest first; without the event where they are too large in all
	bytes int

	// fair are texts behind which the own relay has taken another event, on this connection: it means the events that it says them of.
	fair map[string]struct{}

	halted   bool
	probedAt time.Time // last probe, or the halt
	seen     strangers // what was refused
	second   *work     // unlike all that was refused: the next probe
}

// strangers says whether an event is unlike those noted.
type strangers struct {
	sources map[relayurl.URL]struct{}
	authors map[event.PubKey]struct{}
	kinds   map[int]struct{}
}

func newStrangers() strangers {
	return strangers{make(map[relayurl.URL]struct{}), make(map[event.PubKey]struct{}), make(map[int]struct{})}
}

func (s strangers) note(source relayurl.URL, e *event.Event) {
	noteUpTo(s.sources, source)
	noteUpTo(s.authors, e.PubKey)
	noteUpTo(s.kinds, e.Kind)
}

func noteUpTo[K comparable](m map[K]struct{}, key K) {
	if len(m) < strangersNoted {
		m[key] = struct{}{}
	}
}

// unlike reports an event from another source or of another kind, or by another author than the one of all that was refused: one flood
// may have any number of authors.
func (s strangers) unlike(w *work) bool {
	return fresh(s.sources, w.source) || fresh(s.kinds, w.event.Kind) || len(s.authors) == 1 && fresh(s.authors, w.event.PubKey)
}

func fresh[K comparable](m map[K]struct{}, key K) bool {
	_, noted := m[key]
	return !noted && len(m) < strangersNoted // where too many are noted, nothing is new
}

// refuse ends a work that the own relay refuses for good, and counts it. What was refused before and is only offered again is not
// counted: that such events come in a row is no wonder.
func (c *core) refuse(w *work, d Disposition, answer class, reason string) {
	r, text := &c.distrust, sameText(reason)
	row := Waiting{
		Event: w.event, ID: w.event.ID, Kind: w.event.Kind, Cause: CauseRetry, Reason: reason, Since: c.now, Source: w.source, Size: w.event.Size,
	}
	if w.row != nil {
		row.Since = w.row.since
	}
	again := w.offers > 0
	c.conclude(w, d, reason)
	if _, fair := r.fair[text]; again || fair || !general(answer, reason) {
		return
	}
	if r.text != text {
		c.endRow(false)
		r.text = text
	}
	if r.bytes += row.Size; r.bytes > refusalBytes {
		row.Size, row.Event = 0, nil
	}
	if r.rows = append(r.rows, row); len(r.rows) == maxRefusals {
		c.haltRefused(reason)
	}
}

// heard takes note of an answer before it is resolved, and reports whether that was all: while publishing stands still for them, a refusal with
// the same text says nothing of the event.
func (c *core) heard(w *work, answer class, reason string) bool {
	r, l := &c.distrust, &c.link
	same := !answer.accepted() && r.text != "" && sameText(reason) == r.text
	takes := answer == classStored || answer == classHeld || answer == classSuperseded
	switch {
	case r.halted && same:
		if w.order > l.haltedAt {
			c.haltLonger()
		}
		r.seen.note(w.source, w.event)
		c.park(w, Waiting{Cause: CauseRetry, Due: l.probeAt, Reason: reason})
		return true
	case r.halted && !answer.final() && answer != classAuth:
		if w.order > l.haltedAt {
			c.haltLonger()
		}
	case r.halted:
		c.log.Info("own relay answers otherwise, publishing goes on", zap.String("answer", answer.String()), zap.String("reason", reason))
		l.resume()
		c.endRow(takes)
	case r.text == "" || same || !answer.final():
	case answer == classDuplicate: // strfry says so before it asks its policy
	default:
		c.endRow(takes)
	}
	return false
}

// endRow forgets the refusals in a row, which something else has followed. fair says that their text was about the events.
func (c *core) endRow(fair bool) {
	r := &c.distrust
	texts := r.fair
	if fair {
		if texts == nil || len(texts) >= fairTexts {
			texts = make(map[string]struct{})
		}
		texts[r.text] = struct{}{}
	}
	*r = distrust{fair: texts}
}

// haltRefused stops publishing: the own relay refuses all that it is sent. What it refused waits for better times.
func (c *core) haltRefused(reason string) {
	r, l := &c.distrust, &c.link
	c.log.Warn("own relay refuses everything with one text, publishing stops; nothing is rejected for it",
		zap.Int("events", len(r.rows)), zap.String("reason", reason))
	l.halt(c.now, "it refuses everything: "+reason)
	r.halted, r.probedAt, r.seen = true, c.now, newStrangers()
	for _, p := range r.rows {
		if !refused(c.known[p.ID]) {
			continue // the own relay has shown it since
		}
		if p.Event != nil {
			r.seen.note(p.Source, p.Event)
			p.Due = l.probeAt
			if seq, taken := c.o.Ledger.Park(p); taken {
				c.seq = seq
				c.know(p.ID, Parked)
				c.pool.put(p)
				continue
			}
		}
		c.forget(p.ID) // a later pass brings it again
	}
	r.rows, r.bytes = nil, 0
	c.trim()
	if w := c.ready.find(r.seen.unlike); w != nil {
		r.second, l.probeAt = w, c.now
	}
}

// haltLonger puts the next probe off.
func (c *core) haltLonger() {
	c.link.halt(c.now, c.link.halted)
	c.distrust.probedAt = c.now
}

// secondOpinion makes an event the next probe, and soon, when it is unlike all that was refused: a flood of what the own relay refuses
// rightly must not hold up the others.
func (c *core) secondOpinion(w *work) {
	r := &c.distrust
	if !r.halted || r.second != nil || !r.seen.unlike(w) {
		return
	}
	r.second = w
	at := r.probedAt.Add(haltBase)
	if at.Before(c.now) {
		at = c.now
	}
	c.link.probeAt = earliest(c.link.probeAt, at)
}

// tryAgain ends a halt, or has the own relay probed at once when it refused everything: another configuration may come with another
// connection. What a text meant on the old one does not hold for it.
func (c *core) tryAgain() {
	c.distrust.fair = nil
	if !c.distrust.halted {
		c.link.resume()
		return
	}
	c.link.probes = 0
	c.link.probeAt, c.link.haltedAt = c.now, c.link.orders
}

// general reports refusals that may mean any event of ours: lasting ones, and limits on who may write.
func general(answer class, reason string) bool {
	switch answer {
	case classPermanent, classUnknown:
		return true
	case classOwnLimit:
		text := strings.ToLower(strings.TrimPrefix(reason, decoration))
		return strings.HasPrefix(text, "restricted:") || strings.HasPrefix(text, "pow:") || strings.Contains(text, notRegistered)
	default:
		return false
	}
}

// sameText is what two refusals for one reason have in common: words that contain digits, such as ids, keys and numbers, are left out.
func sameText(reason string) string {
	const most = 256
	var b strings.Builder
	word := func(s string) {
		if strings.ContainsAny(s, "0123456789") || len(s) >= 8 && strings.Trim(s, "abcdef") == "" {
			s = "#"
		}
		b.WriteString(s)
	}
	text := strings.ToLower(reason[:min(len(reason), most)])
	for text != "" {
		n := strings.IndexFunc(text, func(r rune) bool { return !isWord(r) })
		switch {
		case n < 0:
			word(text)
			text = ""
		case n > 0:
			word(text[:n])
			text = text[n:]
		default:
			end := strings.IndexFunc(text, isWord)
			if end < 0 {
				end = len(text)
			}
			b.WriteString(text[:end])
			text = text[end:]
		}
	}
	return b.String()
}

func isWord(r rune) bool { return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' }
