package relay

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

func TestDocumentsAreRemembered(t *testing.T) {
	tests := []struct {
		name   string
		script relaytest.Options
		age    time.Duration // zero: not at all
	}{
		{"a document, for a day", relaytest.Options{Document: `{"name":"x","supported_nips":[1]}`}, 24 * time.Hour},
		{"none there, for an hour", relaytest.Options{DocumentStatus: 404}, time.Hour},
		{"not in that form", relaytest.Options{DocumentStatus: 406}, time.Hour},
		{"websockets only", relaytest.Options{DocumentStatus: 426}, time.Hour},
		{"a page for people", relaytest.Options{Document: `<html>`}, time.Hour},
		{"too many requests", relaytest.Options{DocumentStatus: 429}, 0},
		{"a server's fault", relaytest.Options{DocumentStatus: 503}, 0},
		{"moved", relaytest.Options{DocumentStatus: 301}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := relaytest.Start(t, tt.script)
				d := testDialer(r, nil)
				doc, f := d.Document(t.Context(), testURL, Stranger)
				if tt.age == 0 {
					_, _ = d.Document(t.Context(), testURL, Stranger)
					require.Equal(t, 2, r.Documents())
					return
				}
				for i := range doc.NIPs {
					doc.NIPs[i] = 99 // what is given out is not what is kept
				}
				time.Sleep(tt.age - time.Second)
				again, f2 := d.Document(t.Context(), testURL, Stranger)
				require.Equal(t, 1, r.Documents())
				require.Equal(t, f, f2)
				require.NotContains(t, again.NIPs, 99)
				time.Sleep(time.Second)
				_, _ = d.Document(t.Context(), testURL, Stranger)
				require.Equal(t, 2, r.Documents())
			})
		})
	}
}

func TestDocumentsOfABoundedNumberOfRelays(t *testing.T) {
	d := documents{age: time.Hour}
	at := time.Unix(1e9, 0)
	url := func(i int) relayurl.URL { return relayurl.URL(fmt.Sprintf("wss://r%d.example", i)) }
	for i := range maxDocuments + 10 {
		d.put(url(i), remembered{at: at.Add(time.Duration(i) * time.Millisecond)})
	}
	require.Len(t, d.byURL, maxDocuments)
	now := at.Add(time.Minute)
	_, _, known := d.get(url(9), now)
	require.False(t, known, "the oldest leave")
	_, _, known = d.get(url(10), now)
	require.True(t, known)
	d.put(url(10), remembered{absent: &health.Failure{Cause: health.CauseHTTP}, at: now})
	require.Len(t, d.byURL, maxDocuments, "an address that is known takes no further place")
}

func TestSilenceIsNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := relaytest.Start(t, relaytest.Options{DocumentSilent: true})
		d := testDialer(r, nil)
		_, f := d.Document(t.Context(), testURL, Stranger)
		require.Equal(t, health.CauseTimeout, f.Cause)
		r.Set(func(o *relaytest.Options) { o.DocumentSilent = false })
		_, f = d.Document(t.Context(), testURL, Stranger)
		require.Nil(t, f)
	})
}
