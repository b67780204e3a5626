package relay

import "slices"

// upon is what an event waits for: another one's outcome, or the turn of a row of the pending table that waits for room.
type upon struct {
	work *work
	row  *row
}

// firstOf gives one of the works or rows, works first; false when there is none.
func firstOf(works []*work, rows []*row) (upon, bool) {
	switch {
	case len(works) > 0:
		return upon{work: works[0]}, true
	case len(rows) > 0:
		return upon{row: rows[0]}, true
	}
	return upon{}, false
}

func (u upon) waiters() *[]*work {
	if u.row != nil {
		return &u.row.waiters
	}
	return &u.work.waiters
}

// stands reports that it goes on only after others, of which some may be in the pending table.
func (u upon) stands() bool { return u.row != nil || u.work.stage == waiting }

// standBehind makes a work wait. One that was taken up from the pending table never waits for what stands itself: it would keep a
// place that the other needs to be taken up. It goes back instead.
func (c *core) standBehind(w *work, on upon) {
	if w.row != nil && on.stands() {
		if on.row != nil {
			c.pool.wake(on.row)
		}
		w.stage = waiting
		c.spill(w)
		return
	}
	w.stage = waiting
	w.on = on.waiters()
	*w.on = append(*w.on, w)
	for _, x := range slices.Clone(w.waiters) {
		if x.row != nil && x.stage == waiting && x.on == &w.waiters {
			c.spill(x)
		}
	}
}

// tidyWaiters drops those that do not wait any more.
func tidyWaiters(line *[]*work) {
	*line = slices.DeleteFunc(*line, func(w *work) bool { return w.stage != waiting || w.on != line })
}
