package web

import (
	"fmt"
	"slices"
	"time"
)

// Snapshot is the daemon at one moment. It is immutable once published.
type Snapshot struct {
	At      time.Time
	Version string
	Started time.Time
	Totals  Totals
	Outage  time.Time   // since when our own network seems to be down, zero when it is not
	Notices []Notice    // what an operator should know first, beside the outage
	Relays  []RelayView // in the order of the page
}

// Totals is the sum of things.
type Totals struct {
	Repos           int  `json:"repos"`
	Roots           int  `json:"roots"`
	RelaysTracked   int  `json:"relays_tracked"`
	RelaysConnected int  `json:"relays_connected"`
	RelaysDead      int  `json:"relays_dead"`
	EventsPublished int  `json:"events_published"` // accepted by the own relay since the start
	QueueEvents     int  `json:"queue_events"`     // in the publisher's queue
	PendingEvents   int  `json:"pending_events"`   // waiting for a parent, their time or the own relay
	WaitingEvents   int  `json:"waiting_events"`   // in both, and only for the own relay to take them
	LeftSeconds     int  `json:"left_seconds"`     // for that, at the rate that was measured; 0: not known
	OwnRelayUp      bool `json:"own_relay_up"`
	OwnRelayLimits  bool `json:"own_relay_limits"` // it lets through less than we would send
	StoreUp         bool `json:"store_up"`
}

// Notice is one sentence above the table.
type Notice struct {
	Level Level  `json:"level"`
	Text  string `json:"text"`
}

// notices puts an outage of our own first: it explains the rest. How long a limited own relay takes comes last.
func (s Snapshot) notices() []Notice {
	if t := s.Totals; t.OwnRelayLimits && t.WaitingEvents > 0 {
		text := fmt.Sprintf("The own relay limits the rate: %s events wait for it", count(t.WaitingEvents))
		if t.LeftSeconds > 0 {
			text += ", which takes " + span(time.Duration(t.LeftSeconds)*time.Second)
		}
		s.Notices = append(slices.Clip(s.Notices), Notice{Level: Info, Text: text +
			". Announcements, states, issues, patches and pull requests go first. Its operator can exempt us: docs/how-to/own-relay.md"})
	}
	if s.Outage.IsZero() {
		return notNull(s.Notices)
	}
	return append([]Notice{{Level: Alarm, Text: fmt.Sprintf(
		"Our own network seems to be down since %s: relays cannot be reached, all alike. Nothing is counted against them, and all are due "+
			"again after the first success.", exact(s.Outage))}}, s.Notices...)
}

// Level is how much a Notice matters.
type Level string

// Levels of a Notice.
const (
	Info  Level = "info"
	Warn  Level = "warn"
	Alarm Level = "alarm"
)

// RelayView is one remote relay. Times that never were are zero and left out of the JSON.
type RelayView struct {
	URL            string    `json:"url"`
	Name           string    `json:"name,omitempty"`   // of its NIP-11 document: hostile text
	Origin         string    `json:"origin,omitempty"` // "bootstrap", "pinned" or "discovered"
	Phase          int       `json:"phase"`            // value of the gauge ngit_sync_relay_connected
	PhaseName      string    `json:"phase_name"`
	Mode           string    `json:"mode,omitempty"`        // "negentropy" or "paged"
	Why            string    `json:"mode_reason,omitempty"` // of the mode
	Health         string    `json:"health"`
	LastFailure    Failure   `json:"last_failure,omitzero"`
	NextDial       time.Time `json:"next_dial,omitzero"`
	ConnectedSince time.Time `json:"connected_since,omitzero"`
	EventsReceived int       `json:"events_received"` // since the start
	EventsStored   int       `json:"events_stored"`   // newly, by the own relay, since the start
	FiltersOpen    int       `json:"filters_open"`
	LiveByID       int       `json:"live_by_id"`                  // wanted values in live filters
	LiveWide       bool      `json:"live_wide"`                   // filters by kind stand in for what does not fit
	Polled         int       `json:"polled"`                      // wanted values that are in no live filter
	PollEvery      int64     `json:"poll_every_seconds,omitzero"` // real, of those active in the last day; 0: not known yet
	SetAside       int       `json:"set_aside"`                   // values that the relay refuses
	Note           string    `json:"note,omitempty"`              // the last refusal or failure: hostile text
	BatchesPending int       `json:"batches_pending"`
	Doing          string    `json:"doing,omitempty"`
	NoPlace        bool      `json:"no_place,omitzero"` // it is not dialled; Doing says why
	Cursor         time.Time `json:"cursor,omitzero"`
	LastFullSync   time.Time `json:"last_full_sync,omitzero"`
	Changes        []Change  `json:"changes"` // oldest first
}

// Failure is the last one of a relay.
type Failure struct {
	At     time.Time `json:"at"`
	Cause  string    `json:"cause"`
	Reason string    `json:"reason,omitempty"` // hostile text
}

// Change is one step of a relay's phase.
type Change struct {
	At   time.Time `json:"at"`
	From string    `json:"from"`
	To   string    `json:"to"`
	Why  string    `json:"why"`
}

// Values of RelayView.Phase (DESIGN §4).
const (
	phaseDisconnected = iota
	phaseConnecting
	phaseSyncing
	phaseConnected
	phaseDegraded
)

// Condition is one thing that must hold for the daemon to do its work.
type Condition struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Why  string `json:"why,omitempty"` // not OK: what is the matter
}

// ready reports whether every condition holds.
func ready(cs []Condition) bool {
	for _, c := range cs {
		if !c.OK {
			return false
		}
	}
	return true
}
