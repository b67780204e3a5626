package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/heaptest"
)

// crowd is the daemon with so many relays of which strangers have made everything as long as it may be.
func crowd(n int) Snapshot {
	s := sample()
	s.Relays = nil
	text := func(i, n int) string { return fmt.Sprint(i) + strings.Repeat("<", n) }
	for i := range n {
		r := RelayView{
			URL: "wss://" + text(i, 500), Name: text(i, 60), Origin: "discovered", Phase: phaseDegraded, PhaseName: "ConnectedDegraded", Health: "degraded",
			Mode: "paged", Why: text(i, 190), Note: text(i, 1000), Doing: "live", LastFailure: Failure{At: now, Cause: "protocol", Reason: text(i, 190)},
		}
		for range 32 {
			r.Changes = append(r.Changes, Change{now, "Disconnected", "Connecting", "due and wanted"})
		}
		s.Relays = append(s.Relays, r)
	}
	return s
}

// TestMemoryAtTheLimits makes the answers for a number of relays that no default allows. The table in docs/reference/limits.md is compared
// with this one.
func TestMemoryAtTheLimits(t *testing.T) {
	tests := []struct {
		name  string
		part  int64
		most  int64
		build func() any
	}{
		{"status pages of 5,000 relays that are made or sent", 4, 128 << 20, func() any {
			s := crowd(5000)
			data := newPage(s, nil, "", false)
			var body bytes.Buffer
			require.NoError(t, pageTemplate.Execute(&body, data))
			return []any{s, data, &body}
		}},
		{"answers of the API of 5,000 relays that are made or sent", 4, 128 << 20, func() any {
			s := crowd(5000)
			body, err := json.Marshal(RelaysAnswer{Relays: s.Relays})
			require.NoError(t, err)
			return []any{s, body, EscapeJSON(body)}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { heaptest.Under(t, tt.most, tt.build) })
	}
}

// A client that does not take its answer holds one of a few: others wait for a while, and are told.
func TestLargeAnswersAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(sample(), nil)
		var made atomic.Int64
		gate := make(chan struct{})
		o.Snapshot = func() Snapshot {
			made.Add(1)
			<-gate
			return sample()
		}
		h := Handler(o)
		codes := make(chan int, 100)
		ask := func(path string) {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1"+path, nil))
			codes <- w.Code
		}
		for range maxAnswers / 2 {
			go ask("/")
			go ask("/api/v1/relays")
			synctest.Wait()
		}
		go ask("/api/v1/status")
		start := time.Now()
		require.Equal(t, http.StatusServiceUnavailable, <-codes)
		require.Equal(t, turnTimeout, time.Since(start))
		require.EqualValues(t, maxAnswers, made.Load())
		ask("/healthz")
		require.Equal(t, http.StatusOK, <-codes)
		go ask("/")
		synctest.Wait()
		close(gate)
		for range maxAnswers + 1 {
			require.Equal(t, http.StatusOK, <-codes)
		}
	})
}
