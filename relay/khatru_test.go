package relay

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fiatjaf/eventstore/slicestore"
	"github.com/fiatjaf/khatru"
	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// newKhatru serves a relay of another make over TCP: it handles every message in a goroutine of its own, caps pages at 100
// and ends its frames with a newline.
func newKhatru(t *testing.T, events []nostr.Event) relayurl.URL {
	t.Helper()
	return newKhatruOf(t, events, 100, false)
}

// newKhatruOf gives so many events to a filter at most, which holds for reconciliations too.
func newKhatruOf(t *testing.T, events []nostr.Event, limit int, negentropy bool, change ...func(*khatru.Relay)) relayurl.URL {
	t.Helper()
	store := &slicestore.SliceStore{MaxLimit: limit}
	require.NoError(t, store.Init())
	for i := range events {
		require.NoError(t, store.SaveEvent(t.Context(), &events[i]))
	}
	r := khatru.NewRelay()
	r.Negentropy = negentropy
	r.StoreEvent = append(r.StoreEvent, store.SaveEvent)
	r.QueryEvents = append(r.QueryEvents, store.QueryEvents)
	for _, f := range change {
		f(r)
	}
	srv := httptest.NewServer(r)
	t.Cleanup(srv.Close)
	return relayurl.URL(strings.Replace(srv.URL, "http", "ws", 1))
}

// connected is a connection of the operator's over TCP, once it is up; o says to whom, and what differs.
func connected(t *testing.T, o ConnOptions) (*sinkhole, chan<- Command, <-chan Report) {
	t.Helper()
	sink := &sinkhole{}
	reports, commands := make(chan Report, 100), make(chan Command, 10)
	o.ID, o.Trust, o.Dialer = 1, Operator, NewDialer(DialerOptions{})
	o.Sink, o.Reports, o.Commands = sink, reports, commands
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(cancel)
	wg.Go(func() { _ = NewConn(o).Run(ctx) })
	require.IsType(t, Up{}, <-reports)
	return sink, commands, reports
}

func TestAgainstKhatru(t *testing.T) {
	events := append(relaytest.Notes(1500, 1, 100_000), relaytest.Notes(700, 7, 99_000)...)
	url := newKhatru(t, events)

	sink, commands, _ := connected(t, ConnOptions{URL: url})
	commands <- liveOf("l0", kinds(1, 7))
	commands <- AskBatch{Batch{ID: 1, Filters: []nostr.Filter{kinds(1), kinds(7), kinds(1617)}}}
	<-sink.over(1)
	end := sink.final(1)
	require.Empty(t, end.Err)
	sameIDs(t, wireIDs(events), sink.ids(1))

	// What others publish arrives live.
	publisher, f := NewDialer(DialerOptions{}).Dial(t.Context(), url, Operator)
	require.Nil(t, f)
	defer publisher.Close()
	live := relaytest.Event(1, 1, time.Now().Unix(), "live")
	msg, err := EncodeEvent(&live)
	require.NoError(t, err)
	require.NoError(t, publisher.Send(msg))
	ok := <-publisher.Frames()
	require.True(t, ok.OK, ok.Text)
	require.Eventually(t, func() bool { return len(sink.ids(0)) == 1 }, time.Minute, time.Millisecond)
	require.Empty(t, sink.faulty())
}

func TestReconcilingWithKhatru(t *testing.T) {
	events := relaytest.Notes(3000, 1, 100_000)
	lack, ours := everyNth(events, 10)
	for name, tt := range map[string]struct {
		limit   int
		speaks  bool
		verdict string
	}{
		"all of it":     {5000, true, ""},
		"capped":        {100, true, "capped"},
		"not spoken":    {100, false, "NOTICE"},
		"nothing lacks": {5000, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			ours := ours
			if name == "nothing lacks" {
				ours = events
			}
			sink, commands, reports := connected(t, ConnOptions{
				URL: newKhatruOf(t, events, tt.limit, tt.speaks), Negentropy: true, Known: ledgerOf(ours...),
			})
			commands <- AskBatch{Batch{ID: 1, Filters: []nostr.Filter{kinds(1)}}}
			<-sink.over(1)
			require.Empty(t, sink.final(1).Err)
			got := map[string]bool{}
			for _, id := range sink.ids(1) {
				got[id] = true
			}
			switch {
			case name == "nothing lacks":
				require.Empty(t, got)
			case tt.verdict == "":
				sameIDs(t, wireIDs(lack), sink.ids(1))
			default:
				for _, e := range lack {
					require.True(t, got[e.ID])
				}
			}
			verdict := ""
			for len(reports) > 0 {
				if v, ok := (<-reports).(Evidence); ok {
					verdict += v.NoNegentropy
				}
			}
			require.Equal(t, tt.verdict == "", verdict == "", verdict)
			require.Empty(t, sink.faulty())
		})
	}
}
