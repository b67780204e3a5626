package web

import (
	"net/url"
	"strings"
	"time"
)

// row is one relay of the table.
type row struct {
	URL, URLFull         string
	Name, NameFull       string
	Link                 string
	Origin               string
	PhaseClass, Phase    string
	HealthClass, Health  string
	Mode, ModeWhy        string
	Doing, DoingFull     string
	Coverage             string
	Why, WhyFull         string // of a degraded phase
	Received, Stored     string
	Filters, Batches     string
	Cursor, Full, Since  moment
	Failure, FailureFull string
	FailureAt, NextDial  moment
}

// moment is a time as people read it, with the exact one behind it.
type moment struct{ Text, Exact string }

const (
	urlLength     = 60 // runes that the table shows
	nameLength    = 40
	doingLength   = 60
	failureLength = 70
)

func newRow(r RelayView, now time.Time, paused bool) row {
	out := row{
		URL: cut(r.URL, urlLength), URLFull: long(r.URL), Name: cut(r.Name, nameLength), NameFull: long(r.Name),
		Link:       pageLink(r.URL, paused),
		Origin:     short(r.Origin),
		PhaseClass: phaseClass(r.Phase), Phase: short(r.PhaseName),
		HealthClass: healthClass(r.Health), Health: short(r.Health),
		Mode: short(r.Mode), ModeWhy: long(r.Why),
		Doing: cut(r.Doing, doingLength), DoingFull: long(r.Doing),
		Coverage: coverage(r),
		Received: count(r.EventsReceived), Stored: count(r.EventsStored),
		Filters: count(r.FiltersOpen), Batches: count(r.BatchesPending),
		Cursor: ago(r.Cursor, now), Full: ago(r.LastFullSync, now), Since: ago(r.ConnectedSince, now),
		FailureAt: ago(r.LastFailure.At, now), NextDial: ahead(r.NextDial, now),
	}
	if r.Phase == phaseDegraded {
		out.Why, out.WhyFull = cut(r.Note, failureLength), long(r.Note)
	}
	if f := r.LastFailure; f.Cause != "" {
		out.FailureFull = long(f.Cause + ": " + f.Reason)
		if f.Reason == "" {
			out.FailureFull = long(f.Cause)
		}
		out.Failure = cut(out.FailureFull, failureLength)
	}
	return out
}

// coverage says what of the wanted is live and what is not, empty when all of it is (DESIGN §5, beyond the budget).
func coverage(r RelayView) string {
	var parts []string
	if r.Polled > 0 {
		if r.LiveByID > 0 || r.LiveWide {
			parts = append(parts, "by id "+count(r.LiveByID))
		} else {
			parts = append(parts, "nothing live")
		}
		if r.LiveWide {
			parts = append(parts, "wide")
		}
		polled := "polled " + count(r.Polled)
		if r.PollEvery > 0 {
			polled += " every " + terse(time.Duration(r.PollEvery)*time.Second)
		}
		parts = append(parts, polled)
	}
	switch {
	case r.SetAside == 1:
		parts = append(parts, "1 value set aside")
	case r.SetAside > 1:
		parts = append(parts, count(r.SetAside)+" values set aside")
	}
	return strings.Join(parts, " · ")
}

// detail is the one relay that was chosen.
type detail struct {
	row
	Close   string
	ByID    string
	Note    string
	Changes []changeRow // newest first
}

type changeRow struct {
	At                moment
	From, To, ToClass string
	Why               string
}

// classOfName finds the colour of a phase by the name that a Change has.
var classOfName = map[string]string{
	"Disconnected": "disconnected", "Connecting": "connecting", "Syncing": "syncing", "Connected": "connected",
	"ConnectedDegraded": "degraded",
}

func newDetail(r RelayView, now time.Time, paused bool) *detail {
	d := &detail{row: newRow(r, now, paused), Close: pageLink("", paused), Note: long(r.Note)}
	if r.Polled == 0 && r.LiveByID > 0 {
		d.ByID = count(r.LiveByID)
	}
	for i := len(r.Changes) - 1; i >= 0; i-- {
		c := r.Changes[i]
		d.Changes = append(d.Changes, changeRow{
			At: ago(c.At, now), From: short(c.From), To: short(c.To), ToClass: classOfName[c.To], Why: long(c.Why),
		})
	}
	return d
}

// pageLink is the page with one relay chosen, or none.
func pageLink(relay string, paused bool) string {
	q := url.Values{}
	if relay != "" {
		q.Set("relay", relay)
	}
	if paused {
		q.Set("refresh", "off")
	}
	if len(q) == 0 {
		return "/"
	}
	return "/?" + q.Encode()
}
