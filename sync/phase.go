package sync

import (
	"fmt"
	"time"

	"go.uber.org/zap"
)

// Phase is where a relay stands; the values are those of the gauge ngit_sync_relay_connected (DESIGN §4).
type Phase uint8

// Phases of a relay. Removed is the end, not a value of the gauge.
const (
	Disconnected Phase = iota
	Connecting
	Syncing
	Connected
	ConnectedDegraded
	Removed
)

// String is the name used in docs/state-machine.md, logs and the status page.
func (p Phase) String() string {
	return [...]string{"Disconnected", "Connecting", "Syncing", "Connected", "ConnectedDegraded", "Removed"}[p]
}

// Open reports whether the relay has a connection that can be asked.
func (p Phase) Open() bool { return p == Syncing || p == Connected || p == ConnectedDegraded }

type edge struct{ from, to Phase }

// edges is the table of legal changes; docs/state-machine.md is compared with it by a test.
var edges = map[edge]string{
	{Disconnected, Connecting}:        "due and wanted",
	{Connecting, Syncing}:             "handshake done",
	{Connecting, Disconnected}:        "failure, recorded in health",
	{Syncing, Connected}:              "nothing pending twice, every batch ok",
	{Syncing, ConnectedDegraded}:      "nothing pending twice, a batch failed",
	{Connected, ConnectedDegraded}:    "a later batch (new wants) failed",
	{ConnectedDegraded, Connected}:    "every failed batch was retried with success",
	{Connected, Syncing}:              "daily catch-up",
	{ConnectedDegraded, Syncing}:      "daily catch-up",
	{Syncing, Disconnected}:           "connection lost",
	{Connected, Disconnected}:         "connection lost",
	{ConnectedDegraded, Disconnected}: "connection lost",
	{Disconnected, Removed}:           "nothing wanted for the grace time",
	{Connecting, Removed}:             "nothing wanted for the grace time",
	{Syncing, Removed}:                "nothing wanted for the grace time",
	{Connected, Removed}:              "nothing wanted for the grace time",
	{ConnectedDegraded, Removed}:      "nothing wanted for the grace time",
}

// Change is one step of a relay's phase, kept for the status page.
type Change struct {
	At       time.Time
	From, To Phase
	Why      string
}

const changesKept = 32

// to is the only place where a phase changes: it checks the edge, stamps, meters, logs one line and
// keeps the change.
func (e *Engine) to(r *remote, next Phase, why string, now time.Time) {
	if _, ok := edges[edge{r.phase, next}]; !ok {
		panic(fmt.Sprintf("sync: illegal phase change of %s: %s to %s (%s)", r.url, r.phase, next, why))
	}
	e.log.Info("phase", zap.String("relay", string(r.url)), zap.Stringer("from", r.phase), zap.Stringer("to", next), zap.String("why", why))
	if len(r.changes) == changesKept {
		r.changes = append(r.changes[:0], r.changes[1:]...)
	}
	switch was := r.phase; {
	case next == Connecting:
		e.occupy(r, 1)
	case next == Disconnected, next == Removed && was != Disconnected:
		e.occupy(r, -1)
	}
	if next.Open() != r.phase.Open() {
		e.open += map[bool]int{true: 1, false: -1}[next.Open()]
	}
	r.changes = append(r.changes, Change{At: now, From: r.phase, To: next, Why: why})
	r.phase, r.since = next, now
	e.metrics.phase(r)
	e.touch(r)
}
