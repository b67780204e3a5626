package relay

import (
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// Some relays send EOSE before the stored events, or in the middle of them. An EOSE in front of everything looks like the end of the
// history, so a connection believes an empty page only when it stays empty for a while, until a page has shown that the events come
// first. Where stored events were seen to come behind an EOSE, every page is heard out.

const (
	// lateWait is how long a page whose EOSE is doubted has to be quiet. It is doubled, up to lateMost, when that was too short.
	lateWait = 2 * time.Second
	lateMost = 32 * time.Second
	// maxDoubted is how many empty pages are heard out in vain before the relay is believed.
	maxDoubted = 4
	// surelyStored is how old an event has to be to count as stored when it comes behind an EOSE.
	surelyStored = 15 * time.Minute
)

const whyLate = "stored events came behind EOSE"

// eoseManner is what a connection has seen of EOSE and events.
type eoseManner struct {
	behind bool          // EOSE came behind events
	late   bool          // stored events came behind EOSE
	vain   int           // pages that were heard out, and nothing came
	wait   time.Duration // in place of lateWait
	told   time.Duration // the wait that was too short when the engine was told
}

// doubtsEOSE reports that a page is to be heard out. Another EOSE, behind events that came meanwhile, is believed.
func (c *Conn) doubtsEOSE(p *page, f Frame) bool {
	m := &c.history.eose
	if !p.doubted.IsZero() {
		return p.arrived == p.early
	}
	m.behind = m.behind || p.arrived > 0
	if !m.late && (m.behind || m.vain >= maxDoubted) {
		return false
	}
	p.doubted, p.eose, p.early, p.lateWait = f.At, f, p.arrived, max(lateWait, m.wait)
	c.wakeBy(p.deadline(c.limits, c.history.answer))
	return true
}

// heardOut ends a page that has been quiet since its EOSE.
func (c *Conn) heardOut(p *page) {
	if p.arrived == 0 {
		c.history.eose.vain++
	}
	c.endPage(p, p.eose)
}

// stored reports an event that was there before the page was asked for.
func (p *page) stored(e *event.Event) bool { return p.sent.Sub(e.CreatedAt.Time()) > surelyStored }

// hasty takes a stored event that has come behind the end of its page. What the page was to show is asked once more; when its batch
// has ended, the engine has to do that.
func (c *Conn) hasty(p *page, e *event.Event) {
	m, g := &c.history.eose, p.group
	b := g.batch
	if !p.stored(e) || (g.neg != nil && !p.check) {
		return // ids that did not come are asked again in any case
	}
	m.late = true
	if !p.doubted.IsZero() {
		m.wait = max(m.wait, min(lateMost, 2*p.lateWait))
	}
	switch wait := max(lateWait, m.wait); {
	case b.abandoned || g.hasty || len(g.index) == 0:
	case b.ended:
		if m.told < wait {
			m.told = wait
			c.learned(Evidence{Reason: whyLate, Late: true})
		}
	case g.redo:
		g.hasty = true
		b.fail(whyLate)
	default:
		g.hasty = true
		again := c.newGroup(b, g.asked, g.index)
		again.redo = true
		b.add(again)
	}
}
