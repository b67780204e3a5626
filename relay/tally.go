package relay

import (
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// tally counts the events before one mark down (DESIGN §3, device 1). It is settled when the mark has come and no event
// is open.
type tally struct {
	series                 *series
	open                   int
	mark                   *Mark // nil until it comes
	blind                  bool  // live: an event before the mark was dropped
	learned                []event.ID
	stored                 int
	announcements, outside int // that came; of these, out of scope
	seq                    Seq
}

// series are the tallies of one batch, or of the live events of one connection, oldest first. Only the last one
// can be without a mark.
type series struct {
	conn    ConnID
	source  relayurl.URL // empty before the first event
	batch   BatchID
	tallies []*tally
	live    int  // places of the live queue that its events take up
	broken  bool // a live event was dropped: the cursor stays before it, no later mark counts
	gone    bool // the connection has ended, no more marks come
}

// tallies is the book of all series.
type tallies map[ConnID]map[BatchID]*series

// current is the tally that events arriving now belong to.
func (ts tallies) current(conn ConnID, batch BatchID) *tally {
	batches := ts[conn]
	if batches == nil {
		batches = make(map[BatchID]*series)
		ts[conn] = batches
	}
	s := batches[batch]
	if s == nil {
		s = &series{conn: conn, batch: batch}
		batches[batch] = s
	}
	if n := len(s.tallies); n > 0 && s.tallies[n-1].mark == nil {
		return s.tallies[n-1]
	}
	t := &tally{series: s}
	s.tallies = append(s.tallies, t)
	return t
}

// gone drops the counts that no mark will follow any more.
func (ts tallies) gone(conn ConnID) {
	for _, s := range ts[conn] {
		s.gone = true
		if n := len(s.tallies); n > 0 && s.tallies[n-1].mark == nil {
			s.tallies = s.tallies[:n-1]
		}
		ts.tidy(s)
	}
}

// settled takes the tallies off a series that are settled, in the order of their marks, and gives their reports.
func (ts tallies) settled(s *series, now time.Time) []Report {
	var reports []Report
	n := 0
	final := false
	for ; n < len(s.tallies); n++ {
		t := s.tallies[n]
		if t.mark == nil || t.open > 0 {
			break
		}
		final = final || t.mark.Final
		if s.batch != 0 {
			reports = append(reports, t.report(now))
		} else if !t.blind {
			reports = append(reports, LiveSettled{ID: s.conn, At: t.mark.Stamp, Seq: t.seq, New: t.stored})
		}
	}
	clear(s.tallies[:n])
	s.tallies = s.tallies[n:]
	if final || s.gone {
		ts.tidy(s)
	}
	return reports
}

func (t *tally) report(now time.Time) Settled {
	return Settled{
		ID: t.series.conn, Batch: t.series.batch, At: now, Final: t.mark.Final, Filters: t.mark.Filters, Err: t.mark.Err,
		Learned: t.learned, New: t.stored, Announcements: t.announcements, Outside: t.outside, Seq: t.seq,
	}
}

// tidy forgets a series that nothing more comes for.
func (ts tallies) tidy(s *series) {
	if len(s.tallies) > 0 || ts[s.conn][s.batch] != s {
		return
	}
	delete(ts[s.conn], s.batch)
	if len(ts[s.conn]) == 0 {
		delete(ts, s.conn)
	}
}
