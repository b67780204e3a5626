package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/config"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
)

// TestLimitsArriveWhereTheyAreTaken follows each limit of the configuration to the options of the room that obeys it. That the room does is for
// the tests in docs/reference/limits.md, which set these options.
func TestLimitsArriveWhereTheyAreTaken(t *testing.T) {
	conn := func(s settings) relay.ConnOptions { return s.conn(relay.ConnOptions{}) }
	publisher := func(s settings) relay.PublisherOptions { return s.publisher(relay.PublisherOptions{}) }
	tests := map[string]struct {
		text  string
		value any
		taken func(s settings) any
	}{
		"own_relay.window":            {"7", 7, func(s settings) any { return publisher(s).Window }},
		"database.retention":          {"7h", 7 * time.Hour, func(s settings) any { return publisher(s).Retention }},
		"limits.connect_timeout":      {"7s", 7 * time.Second, func(s settings) any { return s.dialer(nil).ConnectTimeout }},
		"limits.concurrent_dials":     {"7", 7, func(s settings) any { return s.engine().ConcurrentDials }},
		"limits.max_relays":           {"7", 7, func(s settings) any { return s.engine().MaxRelays }},
		"limits.relays_per_owner":     {"7", 7, func(s settings) any { return s.engine().RelaysPerOwner }},
		"limits.roots_per_repo":       {"7", 7, func(s settings) any { return s.engine().RootsPerRepo }},
		"limits.pending_events":       {"7", 7, func(s settings) any { return publisher(s).PendingEvents }},
		"limits.pending_bytes":        {"7MiB", int64(7 << 20), func(s settings) any { return publisher(s).PendingBytes }},
		"limits.future_skew":          {"7m", 7 * time.Minute, func(s settings) any { return publisher(s).FutureSkew }},
		"limits.irrelevant_ids":       {"7", 7, func(s settings) any { return publisher(s).IrrelevantIDs }},
		"limits.reqs_per_minute":      {"7", 7, func(s settings) any { return conn(s).REQsPerMinute }},
		"limits.event_tags":           {"7", 7, func(s settings) any { return conn(s).Events.Tags }},
		"limits.message_bytes":        {"7MiB", []int64{7 << 20, 7 << 20}, func(s settings) any { return []int64{int64(conn(s).Events.Bytes), s.dialer(nil).MessageBytes} }},
		"limits.neg_message_bytes":    {"7MiB", []int64{7 << 20, 7 << 20}, func(s settings) any { return []int64{int64(conn(s).NegBytes), s.dialer(nil).MessageBytes} }},
		"limits.relays_per_repo":      {"7", []int{7, 7}, func(s settings) any { return []int{s.engine().Rules.RelaysPerRepo, publisher(s).Rules.RelaysPerRepo} }},
		"sync.max_filters":            {"7", 7, func(s settings) any { return s.engine().MaxFilters }},
		"sync.tags_per_filter":        {"7", 7, func(s settings) any { return s.engine().TagsPerFilter }},
		"own_relay.events_per_second": {"7", 7.0, func(s settings) any { return publisher(s).EventsPerSecond }},
	}
	for _, k := range config.Keys() {
		if strings.HasPrefix(k.Name, "limits.") {
			require.Contains(t, tests, k.Name)
		}
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			k, ok := config.KeyOf(name)
			require.True(t, ok)
			cfg, err := config.Load(config.Input{Env: []string{k.Env + "=" + tt.text}})
			require.NoError(t, err)
			require.NotEqual(t, tt.value, tt.taken(settings{cfg: config.Default()}), "it says nothing")
			require.Equal(t, tt.value, tt.taken(settings{cfg: cfg}))
		})
	}
	require.Equal(t, event.Limits{Bytes: 1 << 20, Tags: 2000}, settings{cfg: config.Default()}.eventLimits(), "other limits of an event have no key")
}
