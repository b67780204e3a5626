package relay

import (
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
)

const (
	rateLimited  = "rate-limited"
	authRequired = "auth-required"
)

// prefixOf is the machine-readable prefix of a reason (NIP-01), in lower case, empty when there is none. strfry hides it
// behind "ERROR: ".
func prefixOf(reason string) string {
	reason = strings.TrimPrefix(reason, "ERROR: ")
	prefix, _, ok := strings.Cut(reason, ":")
	if !ok || strings.ContainsAny(prefix, " \t") {
		return ""
	}
	return strings.ToLower(prefix)
}

// noticeHints reads a NOTICE, the one text that is read by its words (DESIGN §8): it has no prefix and names no
// subscription. tooMany speaks of open subscriptions, rate of how often we ask.
func noticeHints(text string) (tooMany, rate bool) {
	t := strings.ToLower(text)
	has := func(s string) bool { return strings.Contains(t, s) }
	if has("too many concurrent") || has("maximum concurrent subscription") || (has("too many") && has("subscription")) {
		return true, false
	}
	return false, (has("rate") && has("limit")) || has("too many") || has("slow down") || has("throttl")
}

// closed handles the end of a subscription by the relay.
func (c *Conn) closed(f Frame) {
	prefix := prefixOf(f.Text)
	tooMany, _ := noticeHints(f.Text)
	if prefix == rateLimited && !tooMany {
		c.limited(f.Text, f.At)
	}
	if s := c.neg.session; s != nil && s.sub == f.Sub {
		c.negRefused(readNegErr(f.Text, 0), fallbackClosed, f.Text, 0, f.At)
		return
	}
	if p := c.history.pages[f.Sub]; p != nil {
		if tooMany && c.noRoom(p, f) {
			return
		}
		if prefix == authRequired && c.wantsLogin(p.sent, f.At) {
			c.closePage(p, false, f.At)
			c.fetchAgain(p)
			return
		}
		if c.later(p, prefix, f.At) || (!tooMany && c.refused(p, f.Text, f.At)) {
			return
		}
		c.cutPage(p, "closed: "+f.Text, false, f.At)
		return
	}
	s := c.live.subs[f.Sub]
	switch {
	case s == nil || (s.state != liveSent && s.state != liveOpen):
	case prefix == authRequired && c.wantsLogin(s.asked, f.At):
		c.live.wait(s)
	case tooMany:
		c.refusedLive(s, f)
		c.shrinkTo(s.among-1, f)
	case c.politer(s, prefix):
		c.live.wait(s)
	default:
		c.refusedLive(s, f)
	}
}

// refusedLive ends a live subscription that the relay has closed. Of one that was to be replaced it may still serve the filters of
// before (strfry), or may have closed those and serve the new ones.
func (c *Conn) refusedLive(s *liveSub, f Frame) {
	if s.replaced {
		c.closeLive(s, f.Text, f.At)
		return
	}
	c.endLive(s, f.Text, f.At)
}

// refusesFilters reports prefixes that may stand before a complaint about filters. Most relays put none.
func refusesFilters(prefix string) bool {
	switch prefix {
	case rateLimited, authRequired, "restricted", "blocked":
		return false
	}
	return true
}

func (c *Conn) notice(f Frame) {
	c.log.Debug("notice", zap.String("text", f.Text))
	if c.negNotice(f) {
		return
	}
	tooMany, rate := noticeHints(f.Text)
	switch {
	case tooMany:
		c.shrink(f)
	case rate:
		c.limited(f.Text, f.At)
	}
}

// signalsApart is how far apart two rate signals are to count as two: a refused burst is one.
const signalsApart = 5 * time.Second

// limited slows down and tells the engine.
func (c *Conn) limited(reason string, now time.Time) {
	if !c.limitedAt.IsZero() && now.Sub(c.limitedAt) < signalsApart {
		return
	}
	c.limitedAt = now
	c.bucket.halve(now)
	c.pause = now.Add(c.o.RatePause)
	c.report(Limited{ID: c.o.ID, At: now, Reason: reason, REQsPerMinute: int(c.bucket.perMinute)})
}

// maxLater is how many rate signals in a row a group's pages wait for.
const maxLater = 3

// later has a page that was refused for our pace wait for the end of the pause: that says nothing of what it asks for.
func (c *Conn) later(p *page, prefix string, now time.Time) bool {
	g := p.group
	if prefix != rateLimited || !now.Before(c.pause) || !p.heard.IsZero() || g.trial != nil || g.batch.abandoned {
		return false
	}
	if !g.limited.Equal(c.limitedAt) {
		g.limited = c.limitedAt
		g.later++
	}
	if g.later > maxLater {
		return false
	}
	c.closePage(p, false, now)
	c.fetchAgain(p)
	return true
}

// limitedPart has a part of a search for what was refused wait for the end of the pause, a few times in a batch: it says nothing about
// the part.
func (c *Conn) limitedPart(p *page, now time.Time) bool {
	b := p.group.batch
	if p.group.trial == nil || b.extra >= maxExtra {
		return false
	}
	b.extra += maxExtra / 8
	c.closePage(p, false, now)
	return true
}

// shrink takes note that one subscription too many is open. strfry answers that one in full, says so behind its EOSE, and
// never sends it a live event.
func (c *Conn) shrink(f Frame) {
	n := c.used() - 1
	if s := c.live.subs[c.lastEOSE]; n > 0 && s != nil && s.state == liveOpen {
		c.closeLive(s, f.Text, f.At)
	}
	c.shrinkTo(n, f)
}

// noRoom takes a CLOSED that says that a page was one subscription too many. It reports that the page is asked again, within fewer.
func (c *Conn) noRoom(p *page, f Frame) bool {
	c.shrinkTo(p.among-1, f)
	if p.among <= c.limits.Subscriptions || !p.heard.IsZero() {
		return false
	}
	c.closePage(p, false, f.At)
	c.fetchAgain(p)
	return true
}

// shrinkTo keeps to so many subscriptions, of which one is for history. A relay that allows one at the most is asked less often.
func (c *Conn) shrinkTo(n int, f Frame) {
	if n < 1 {
		c.limited(f.Text, f.At)
		return
	}
	c.limits.Subscriptions = max(2, min(c.limits.Subscriptions, n))
	c.closeSurplus(f.Text, f.At)
	if c.shrunk == nil {
		c.shrunk = &Evidence{ID: c.o.ID, At: f.At, Reason: f.Text}
		c.wakeBy(f.At.Add(time.Second)) // more of them may follow: the last one knows the number
	}
	c.shrunk.Subscriptions = c.limits.Subscriptions
}

// closeSurplus closes the newest live subscriptions over the budget.
func (c *Conn) closeSurplus(reason string, now time.Time) {
	var wired []*liveSub
	for _, s := range c.live.subs {
		if s.state == liveSent || s.state == liveOpen {
			wired = append(wired, s)
		}
	}
	slices.SortFunc(wired, func(a, b *liveSub) int { return a.order - b.order })
	for len(wired) > c.limits.Subscriptions-1 {
		last := len(wired) - 1
		c.closeLive(wired[last], reason, now)
		wired = wired[:last]
	}
}

// setLimits takes other limits for what is asked from now on. Those that are 0 stay as they are.
func (c *Conn) setLimits(l Limits, now time.Time) {
	set := func(limit *int, n int) {
		if n > 0 {
			*limit = n
		}
	}
	set(&c.limits.Subscriptions, l.Subscriptions)
	set(&c.limits.FiltersPerREQ, l.FiltersPerREQ)
	set(&c.limits.MessageBytes, l.MessageBytes)
	set(&c.limits.PageLimit, l.PageLimit)
	if c.shrunk != nil { // which the engine does not know yet
		c.limits.Subscriptions = min(c.limits.Subscriptions, c.shrunk.Subscriptions)
	}
	if c.limits.StateKinds && !l.StateKinds {
		c.history.refused.idsToo, c.history.refused.guarded = false, false
	}
	c.limits.StateKinds = l.StateKinds
	c.setMode(l.NoNegentropy, now)
	c.history.limits++
	c.history.refused.forget()
	c.live.manner.quiet, c.live.quietly = false, false
	c.closeSurplus(noSubscription, now)
}

// closeLive closes a live subscription that the relay does not serve.
func (c *Conn) closeLive(s *liveSub, reason string, now time.Time) {
	c.send(EncodeClose(s.id))
	s.replaced = false
	c.leave(s.id, leftover{sub: s}, now)
	c.endLive(s, reason, now)
}

func (c *Conn) tellShrunk(now time.Time) {
	if c.shrunk == nil {
		return
	}
	if at := c.shrunk.At.Add(time.Second); now.Before(at) {
		c.wakeBy(at)
		return
	}
	c.report(*c.shrunk)
	c.shrunk = nil
}
