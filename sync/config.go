package sync

import (
	"time"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// Config holds the numbers and names that the engine decides by (DESIGN §10).
type Config struct {
	Rules  nip34.Rules
	Health health.Policy

	Bootstrap    []relayurl.URL // asked for announcements; never removed
	Pinned       []relayurl.URL // as Bootstrap
	DenyRelays   map[relayurl.URL]bool
	AllowRelays  map[relayurl.URL]bool   // not nil: no other discovered relay is dialled
	AllowAddress func(relayurl.URL) bool // is this address, in place of a name, allowed by the configuration
	Own          func(relayurl.URL) bool // is this the own relay

	SettleDelay     time.Duration // second look before Connected
	ReconnectWindow time.Duration // a longer absence makes a fresh start
	SinceOverlap    time.Duration
	FullInterval    time.Duration // between passes without since
	FullJitter      time.Duration // either way
	RemoveGrace     time.Duration
	PollInterval    time.Duration // of what is not live and was active in the last day; a floor
	SampleEvery     time.Duration // what a relay lists is compared with what it serves so often
	LearnedFor      time.Duration // what a refusal taught is doubted again after that
	RetryBase       time.Duration // of a failed batch; doubles up to RetryMax
	RetryMax        time.Duration

	TagsPerFilter   int
	MaxFilters      int // live filters from which packing anew is looked at
	MaxRelays       int // discovered ones that have a place
	RelaysPerOwner  int // of these, those that only he names
	RootsPerRepo    int
	ConcurrentDials int
	OpenBatches     int // unanswered asks per connection, and as many of the daily pass
	BatchChunks     int // chunks of TagsPerFilter values in one batch
	Seed            uint64
}

// DefaultConfig is what DESIGN states; Own and AllowAddress deny every URL.
func DefaultConfig() Config {
	return Config{
		Health:       health.DefaultPolicy(),
		Own:          func(relayurl.URL) bool { return false },
		AllowAddress: func(relayurl.URL) bool { return false },
		SettleDelay:  6 * time.Second, ReconnectWindow: 15 * time.Minute, SinceOverlap: 15 * time.Minute,
		FullInterval: 24 * time.Hour, FullJitter: time.Hour, RemoveGrace: 10 * time.Minute,
		PollInterval: 5 * time.Minute, LearnedFor: 24 * time.Hour, SampleEvery: 7 * 24 * time.Hour,
		RetryBase: time.Minute, RetryMax: time.Hour,
		TagsPerFilter: 100, MaxFilters: 70, MaxRelays: 1000, RelaysPerOwner: 20, RootsPerRepo: 10000, ConcurrentDials: 16,
		OpenBatches: 4, BatchChunks: 10,
	}
}

// excluded reports whether a discovered relay must not be dialled.
func (c *Config) excluded(u relayurl.URL) bool {
	return c.Own(u) || c.DenyRelays[u] || (c.AllowRelays != nil && !c.AllowRelays[u])
}
