package web

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"slices"
	"time"

	"go.uber.org/zap"
)

//go:embed page.html
var pageSource string

//go:embed page.css
var pageStyle template.CSS

var pageTemplate = template.Must(template.New("page").Parse(pageSource))

// contentPolicy allows the page's one style sheet, by its hash, and the empty icon; no script, no image from elsewhere, no frame,
// no form.
var contentPolicy = func() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

const refreshSeconds = 5

// page is the status page. ?relay=URL shows one relay's history, ?refresh=off stops reloading.
func (v *views) page(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	data := newPage(v.Snapshot(), v.Conditions(), query.Get("relay"), query.Get("refresh") == "off")
	var body bytes.Buffer
	if err := pageTemplate.Execute(&body, data); err != nil {
		v.Log.Error("status page", zap.Error(err))
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(body.Bytes()) // a client that is gone needs no page
}

// pageData is what the template shows, every text ready but not escaped.
type pageData struct {
	Style      template.CSS
	Refresh    int // seconds, 0 when paused
	Toggle     string
	Version    string
	Uptime     string
	At         string
	Ready      bool
	Conditions []Condition
	Notices    []Notice
	Cards      []card
	Bar        []segment
	Rows       []row
	Chosen     *detail
	Missing    string // the relay that was asked for and is not known
}

type card struct {
	Label, Value, Note string
	Bad                bool
}

// segment is one phase's part of the bar, in per mille of its width.
type segment struct {
	Class, Name string
	Count       int
	X, Width    int
}

func newPage(s Snapshot, conditions []Condition, chosen string, paused bool) pageData {
	p := pageData{
		Style: pageStyle, Refresh: refreshSeconds, Toggle: pageLink(chosen, !paused),
		Version: short(s.Version), At: s.At.UTC().Format(time.DateTime) + " UTC", Uptime: span(s.At.Sub(s.Started)),
		Ready: ready(conditions), Cards: cards(s.Totals), Bar: bar(s.Relays),
	}
	if paused {
		p.Refresh = 0
	}
	for _, c := range conditions {
		p.Conditions = append(p.Conditions, Condition{Name: short(c.Name), OK: c.OK, Why: long(c.Why)})
	}
	for _, n := range s.notices() {
		if said := func(c Condition) bool { return !c.OK && c.Why == n.Text }; slices.ContainsFunc(conditions, said) {
			continue // right below, beside its name
		}
		p.Notices = append(p.Notices, Notice{Level: n.Level, Text: long(n.Text)})
	}
	p.Missing = chosen
	for _, r := range s.Relays {
		p.Rows = append(p.Rows, newRow(r, s.At, paused))
		if chosen != "" && r.URL == chosen {
			p.Chosen, p.Missing = newDetail(r, s.At, paused), ""
		}
	}
	p.Missing = long(p.Missing)
	return p
}

func cards(t Totals) []card {
	out := []card{
		{Label: "Repositories", Value: count(t.Repos), Note: count(t.Roots) + " issues, patches and PRs"},
		{Label: "Relays", Value: count(t.RelaysConnected) + " / " + count(t.RelaysTracked), Note: "connected of tracked, " + count(t.RelaysDead) + " dead"},
		{Label: "Published", Value: count(t.EventsPublished), Note: "events since the start"},
		{Label: "Queue", Value: count(t.QueueEvents), Note: count(t.PendingEvents) + " more waiting" + left(t)},
	}
	return append(out, upCard("Own relay", t.OwnRelayUp), upCard("Database", t.StoreUp))
}

// left says when the own relay will have taken everything, when that is not soon.
func left(t Totals) string {
	d := time.Duration(t.LeftSeconds) * time.Second
	if d < 2*time.Minute {
		return ""
	}
	return ", " + span(d) + " left"
}

func upCard(label string, up bool) card {
	if up {
		return card{Label: label, Value: "up", Note: "reachable"}
	}
	return card{Label: label, Value: "down", Note: "not reachable", Bad: true}
}

const barWidth = 1000

func bar(relays []RelayView) []segment {
	counts := map[int]int{}
	names := map[int]string{}
	for _, r := range relays {
		counts[r.Phase]++
		names[r.Phase] = r.PhaseName
	}
	var out []segment
	done := 0
	for _, phase := range []int{phaseConnected, phaseSyncing, phaseConnecting, phaseDegraded, phaseDisconnected} {
		if counts[phase] == 0 {
			continue
		}
		from := done * barWidth / len(relays)
		done += counts[phase]
		out = append(out, segment{
			Class: phaseClass(phase), Name: short(names[phase]), Count: counts[phase],
			X: from, Width: done*barWidth/len(relays) - from,
		})
	}
	return out
}

// phaseClass names the colour of a phase in the style sheet.
func phaseClass(phase int) string {
	switch phase {
	case phaseConnecting:
		return "connecting"
	case phaseSyncing:
		return "syncing"
	case phaseConnected:
		return "connected"
	case phaseDegraded:
		return "degraded"
	}
	return "disconnected"
}

// healthClass names the colour of a health state.
func healthClass(health string) string {
	switch health {
	case "healthy":
		return "good"
	case "degraded", "rate limited":
		return "poor"
	case "dead":
		return "bad"
	}
	return "idle"
}
