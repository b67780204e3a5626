package relay

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// gathered gives the value of every series without buckets, and the number of observations of a histogram.
func gathered(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	out := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			switch {
			case m.GetHistogram() != nil:
				out[name] = float64(m.GetHistogram().GetSampleCount())
			case m.GetGauge() != nil:
				out[name] = m.GetGauge().GetValue()
			default:
				out[name] = m.GetCounter().GetValue()
			}
		}
	}
	return out
}

func TestPublisherCountsWhatItDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		metrics := NewPublisherMetrics(reg)
		relays := NewMetrics(reg) // shares a counter
		relays.attempt("wss://relay1.example", true)
		s := startShell(t, relaytest.Options{Policy: func(e *nostr.Event) *relaytest.Verdict {
			if e.Kind == 1621 {
				return &relaytest.Verdict{NoAnswer: true}
			}
			return nil
		}}, func(o *PublisherOptions) { o.Metrics, o.Relays = metrics, relays })
		s.deliver(1, 1, signed(repo("a", 1, "x", benchStart), 1))
		s.deliver(1, 0, signed(state("s", 1, "x", benchStart), 1), ev("e", 20001, 1, benchStart))
		s.deliver(1, 2, repo("forged", 1, "y", benchStart))
		s.deliver(1, 3, signed(comment("orphan", 3, repo("forged", 1, "y", benchStart)), 3))
		s.deliver(1, 3, signed(issue("i", 2, 1, "x"), 2))
		<-time.After(30 * time.Second)
		synctest.Wait()
		got := gathered(t, reg)
		want := map[string]float64{
			"ngit_sync_events_published_total stored":                           2,
			"ngit_sync_events_published_total no_answer":                        0,
			"ngit_sync_event_latency_seconds":                                   2,
			"ngit_sync_events_total historic":                                   1,
			"ngit_sync_events_total live":                                       1,
			"ngit_sync_events_total negentropy":                                 0,
			"ngit_sync_events_dropped_total kind":                               1,
			"ngit_sync_events_dropped_total signature":                          1,
			"ngit_sync_relay_offences_total bad_signature wss://relay1.example": 1,
			"ngit_sync_own_relay_up":                                            1,
			"ngit_sync_pending_events":                                          1,
			"ngit_sync_publish_queue_events":                                    1,
			"ngit_sync_publish_oldest_seconds":                                  30,
		}
		for name, value := range want {
			require.InDelta(t, value, got[name], 1e-9, name)
		}
		s.own.Down(true)
		synctest.Wait()
		require.Zero(t, gathered(t, reg)["ngit_sync_own_relay_up"])
		s.finish()
	})
}

func TestMetricsSharedInEitherOrder(t *testing.T) {
	reg := prometheus.NewRegistry()
	conns := NewMetrics(reg)
	own := NewPublisherMetrics(reg)
	conns.dropped("late")
	own.dropped(dropFull)
	got := gathered(t, reg)
	require.InDelta(t, 1, got["ngit_sync_events_dropped_total late"], 0)
	require.InDelta(t, 1, got["ngit_sync_events_dropped_total queue_full"], 0)
}

// Every value that a label of what is dropped or charged may have is named in the reference. What the values are, the code says.
func TestTheReferenceNamesEveryReasonAndOffence(t *testing.T) {
	read := func(patterns ...string) (text string) {
		for _, pattern := range patterns {
			files, err := filepath.Glob(pattern)
			require.NoError(t, err)
			for _, file := range files {
				raw, err := os.ReadFile(file)
				require.NoError(t, err)
				text += string(raw)
			}
		}
		return text
	}
	code, doc := read("*.go", "../internal/event/parse.go"), read("../docs/reference/metrics.md")
	for metric, names := range map[string]string{
		"ngit_sync_events_dropped_total": "drop|Reason|OffenceOffFilter", "ngit_sync_relay_offences_total": "Offence",
	} {
		_, row, found := strings.Cut(doc, "| `"+metric)
		require.True(t, found, metric)
		row, _, _ = strings.Cut(row, "\n")
		values := regexp.MustCompile(`(?m)^\t(?:`+names+`)\w*\s*= "(\w+)"`).FindAllStringSubmatch(code, -1)
		require.GreaterOrEqual(t, len(values), 6)
		for _, value := range values {
			require.Regexp(t, `\b`+value[1]+`\b`, row)
		}
	}
}
