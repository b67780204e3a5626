package relay

import (
	"time"

	"go.uber.org/zap"
)

// Kinds of offences that the read side sees (DESIGN §11).
const (
	OffenceOffFilter  = "off_filter" // events that were not asked for
	OffenceEndless    = "endless"    // more events than a page may bring
	OffenceUnpageable = "unpageable" // until is ignored
	OffenceForged     = "forged_id"  // an id that is not the hash of its event
	OffenceMalformed  = "malformed"  // frames or events that cannot be read
)

// offenceEvery is how often one kind of offence is reported: a flood of them must not become a flood of reports.
const offenceEvery = time.Second

// offend counts an offence and reports it.
func (c *Conn) offend(kind string, now time.Time) {
	c.o.Metrics.offence(c.o.URL, kind)
	if last, ok := c.offended[kind]; ok && now.Sub(last) < offenceEvery {
		return
	}
	c.offended[kind] = now
	c.log.Debug("offence", zap.String("kind", kind))
	c.report(Offended{ID: c.o.ID, At: now, Kind: kind})
}
