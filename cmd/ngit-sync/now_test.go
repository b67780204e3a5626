package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/web"
)

// What `now` says of a relay, and how it ends when that is all there is to say.
func TestEndOfNow(t *testing.T) {
	at := time.Now()
	before, after := at.Add(-time.Hour), at.Add(time.Second)
	changed := func(when time.Time, to, why string) []web.Change { return []web.Change{{At: when, To: to, Why: why}} }
	for _, tt := range []struct {
		name string
		view web.RelayView
		says string
		code int
	}{
		{"synced since", web.RelayView{LastFullSync: after, Phase: 4, PhaseName: "ConnectedDegraded", Changes: changed(after, "ConnectedDegraded", "")}, "done", exitDone},
		{"refused the dial", web.RelayView{PhaseName: "Disconnected", Changes: changed(after, "Disconnected", "dial failed: refused")}, "not reached: dial failed: refused", exitDiffers},
		{"asked for a pause", web.RelayView{PhaseName: "Disconnected", Changes: changed(before, "Disconnected", "connection lost"), NextDial: at.Add(time.Hour)},
			"not dialled before", exitDiffers},
		{"has no place", web.RelayView{PhaseName: "Disconnected", NoPlace: true, Doing: "no free place: 1 owner"}, "no free place: 1 owner", exitDiffers},
		{"did not answer all", web.RelayView{PhaseName: "ConnectedDegraded", ConnectedSince: before, Changes: changed(after, "ConnectedDegraded", "a batch failed"),
			Note: "error: \x1b[2Jno"}, "incomplete: error: ", exitDiffers},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.view.URL = "wss://one.example.com"
			require.Contains(t, progressOf(tt.view, at), tt.says)
			var out bytes.Buffer
			err := waitForSync(t.Context(), answering(t, tt.view), tt.view.URL, at, &out)
			if tt.code == exitDone {
				require.NoError(t, err)
			} else {
				require.Equal(t, tt.code, exitCode(err))
			}
			require.Contains(t, out.String(), tt.says)
			require.NotContains(t, out.String(), "\x1b")
		})
	}
	for name, view := range map[string]web.RelayView{
		"syncing":                  {PhaseName: "Syncing", Changes: changed(after, "Syncing", "handshake done")},
		"about to begin":           {PhaseName: "ConnectedDegraded", Changes: changed(before, "ConnectedDegraded", "")},
		"to be dialled in a while": {PhaseName: "Disconnected", Changes: changed(before, "Disconnected", ""), NextDial: at.Add(time.Second)},
	} {
		require.Equal(t, "waiting", progressOf(view, at), name)
	}
}

func TestNowForARelayThatIsForgottenMeanwhileFails(t *testing.T) {
	err := waitForSync(t.Context(), answering(t, web.RelayView{URL: "wss://two.example.com"}), "wss://one.example.com", time.Now(), &bytes.Buffer{})
	require.ErrorContains(t, err, "not known any more")
	require.Equal(t, exitFailed, exitCode(err))
}

// answering is a client of a daemon that knows one relay.
func answering(t *testing.T, view web.RelayView) client {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(web.RelaysAnswer{At: time.Now().Add(time.Minute), Relays: []web.RelayView{view}})
	}))
	t.Cleanup(s.Close)
	return client{base: s.URL, http: s.Client()}
}
