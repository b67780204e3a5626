package relay

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// A page full of what is known, foreign to us or refused by the own relay is a page all the same: paging goes on below it, and only what the
// own relay took newly is counted as an event.
func TestRawDeliveriesDrivePagingAndOutcomesDriveMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		conns := NewMetrics(reg)
		s := startShell(t, relaytest.Options{Policy: func(e *nostr.Event) *relaytest.Verdict {
			if strings.HasPrefix(e.Content, "refused") {
				return &relaytest.Verdict{Reason: "invalid: not here"}
			}
			return nil
		}}, func(o *PublisherOptions) { o.Metrics, o.Relays = NewPublisherMetrics(reg), conns })
		s.deliver(1, 1, signed(repo("repo", 1, "x", benchStart), 1))
		s.end(1, 1)

		const each, pageCap = 30, 10
		var all []nostr.Event
		at := benchStart.Unix()
		run := func(name, d string) (out []*event.Event) {
			for i := range each {
				e := relaytest.Event(2, event.KindIssue, at, fmt.Sprint(name, i), toRepo(1, d))
				w, err := event.Wrap(e)
				require.NoError(t, err)
				out, all = append(out, w), append(all, e)
				at--
			}
			return out
		}
		known := run("known", "x")
		run("irrelevant", "elsewhere")
		run("refused", "x")
		fresh := run("fresh", "x")
		s.deliver(1, 2, known...)
		require.Equal(t, each, s.end(1, 2).New)
		before := gathered(t, reg)["ngit_sync_events_total historic"]

		remote := relaytest.Start(t, relaytest.Options{Events: all, PageCap: pageCap})
		commands, reports := make(chan Command, 1), make(chan Report, 100)
		ctx, hangUp := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() {
			gone <- NewConn(ConnOptions{
				ID: 9, URL: testURL, Dialer: testDialer(remote, nil), Sink: s.p, Reports: reports, Commands: commands, Metrics: conns,
			}).Run(ctx)
		}()
		commands <- AskBatch{Batch{ID: 3, Filters: []nostr.Filter{kinds(event.KindIssue)}}}
		var end Settled
		news := 0
		for end.Batch != 3 || !end.Final {
			select {
			case r := <-s.reports:
				if settled, ok := r.(Settled); ok {
					end = settled
					news += end.New
				}
			case <-time.After(time.Hour):
				require.Fail(t, "batch has no end")
			}
		}
		require.True(t, end.Filters[0].Done)
		require.Equal(t, each, news, "known and refused ones are no news")
		for _, e := range fresh {
			require.Equal(t, Stored, s.ledger.disposition(e.ID))
		}
		got := gathered(t, reg)
		require.InDelta(t, before+each, got["ngit_sync_events_total historic"], 0)
		require.Equal(t, remote.Sent(), int(got["ngit_sync_events_received_total historic "+string(testURL)]))
		require.Greater(t, remote.Sent(), len(all), "the second of the boundary comes again")
		oldest := slices.MinFunc(remote.Requests(), func(a, b relaytest.Request) int { return untilOf(a) - untilOf(b) })
		require.LessOrEqual(t, untilOf(oldest), int(fresh[each-1].CreatedAt)+pageCap, "it went down to the last page")
		hangUp()
		require.Error(t, <-gone)
		s.finish()
	})
}

// untilOf is the time below which a REQ asks.
func untilOf(r relaytest.Request) int {
	if r.Filters[0].Until == nil {
		return 1 << 40
	}
	return int(*r.Filters[0].Until)
}
