package web

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// Handler serves every address of the package; Options.Listen is not looked at.
func Handler(o Options) http.Handler {
	v := &views{Options: o, turns: make(chan struct{}, maxAnswers)}
	errorLog, err := zap.NewStdLogAt(o.Log, zap.WarnLevel)
	if err != nil {
		panic(err) // WarnLevel is a level
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{
		ErrorLog: errorLog, MaxRequestsInFlight: 4, Timeout: readTimeout,
	}))
	mux.HandleFunc("GET /healthz", v.healthz)
	mux.HandleFunc("GET /readyz", v.readyz)
	mux.HandleFunc("GET /api/v1/status", v.inTurn(v.status))
	mux.HandleFunc("GET /api/v1/relays", v.inTurn(v.relays))
	mux.HandleFunc("GET /api/v1/explain", v.explain)
	mux.HandleFunc("POST /api/v1/relays/{verb}", v.change)
	mux.HandleFunc("GET /{$}", v.inTurn(v.page))
	return secured(v.hosted(mux))
}

// secured sets the headers that hold for every answer. There is no CORS header: pages of other origins read nothing.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

type views struct {
	Options
	turns chan struct{} // one for each large answer that is made or sent
}

// inTurn keeps the number of answers in memory small: with thousands of relays each takes megabytes, as long as its client takes to read it.
func (v *views) inTurn(answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		patience := time.NewTimer(turnTimeout)
		defer patience.Stop()
		select {
		case v.turns <- struct{}{}:
			defer func() { <-v.turns }()
			answer(w, r)
		case <-patience.C:
			http.Error(w, "busy", http.StatusServiceUnavailable)
		case <-r.Context().Done():
		}
	}
}

// healthz says that the process answers, nothing more: a restart would not mend what readyz shows.
func (v *views) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// ReadyAnswer is the answer of /readyz.
type ReadyAnswer struct {
	Ready      bool        `json:"ready"`
	Conditions []Condition `json:"conditions"`
}

func (v *views) readiness() ReadyAnswer {
	cs := v.Conditions()
	return ReadyAnswer{Ready: ready(cs), Conditions: notNull(cs)}
}

func (v *views) readyz(w http.ResponseWriter, _ *http.Request) {
	answer := v.readiness()
	code := http.StatusOK
	if !answer.Ready {
		code = http.StatusServiceUnavailable
	}
	v.json(w, code, answer)
}

// StatusAnswer is the answer of /api/v1/status.
type StatusAnswer struct {
	At      time.Time `json:"at"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	Uptime  int64     `json:"uptime_seconds"`
	ReadyAnswer
	Outage  time.Time      `json:"local_outage,omitzero"`
	Totals  Totals         `json:"totals"`
	Phases  map[string]int `json:"relays_by_phase"`
	Notices []Notice       `json:"notices"`
}

func (v *views) status(w http.ResponseWriter, _ *http.Request) {
	s := v.Snapshot()
	phases := map[string]int{}
	for _, r := range s.Relays {
		phases[r.PhaseName]++
	}
	v.json(w, http.StatusOK, StatusAnswer{
		At: s.At, Version: s.Version, Started: s.Started, Uptime: int64(s.At.Sub(s.Started).Seconds()),
		ReadyAnswer: v.readiness(), Outage: s.Outage, Totals: s.Totals, Phases: phases, Notices: s.notices(),
	})
}

// RelaysAnswer is the answer of /api/v1/relays.
type RelaysAnswer struct {
	At     time.Time   `json:"at"`
	Relays []RelayView `json:"relays"`
}

func (v *views) relays(w http.ResponseWriter, _ *http.Request) {
	s := v.Snapshot()
	relays := make([]RelayView, len(s.Relays))
	for i, r := range s.Relays {
		r.Changes = notNull(r.Changes)
		relays[i] = r
	}
	v.json(w, http.StatusOK, RelaysAnswer{At: s.At, Relays: relays})
}

// notNull makes an empty list [] and not null.
func notNull[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (v *views) json(w http.ResponseWriter, code int, answer any) {
	body, err := json.Marshal(answer)
	if err != nil {
		v.Log.Error("http answer", zap.Error(err))
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(append(EscapeJSON(body), '\n')) // a client that is gone needs no answer
}
