package main

import (
	"crypto/sha256"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/ngit-sync/ngit-sync/internal/config"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/sync"
)

// settings is the configuration as the rooms take it.
type settings struct {
	cfg   config.Config
	own   relayurl.URL
	seed  uint64       // of everything that is spread
	login *relay.Login // at the own relay, nil: none
}

// readLogin reads the key for logins at the own relay. The relay knows itself by its address or by a name of own_relay.domains.
func (s settings) readLogin() (*relay.Login, error) {
	if s.cfg.OwnRelay.AuthKeyFile == "" {
		return nil, nil
	}
	key, err := s.cfg.ReadAuthKey()
	if err != nil {
		return nil, err
	}
	names := []relayurl.URL{s.own}
	for _, domain := range s.cfg.OwnRelay.Domains {
		for _, scheme := range []string{"wss://", "ws://"} {
			if u, err := relayurl.Canonical(scheme + domain); err == nil && u != s.own {
				names = append(names, u)
			}
		}
	}
	return relay.NewLogin(key.Reveal(), names...)
}

// rules is the scope as configured: what the publisher, the engine and the embedded relay agree on.
func (s settings) rules() nip34.Rules {
	scope := s.cfg.Scope
	r := nip34.Rules{
		Domains: s.cfg.OwnRelay.Domains, Archive: scope.Archive, RelaysPerRepo: s.cfg.Limits.RelaysPerRepo, OwnURLs: s.isOwn,
		DenyAuthors: map[event.PubKey]bool{}, DenyRepos: map[event.Ref]bool{},
	}
	for _, pk := range scope.DenyAuthors {
		r.DenyAuthors[pk] = true
	}
	for _, ref := range scope.DenyRepos {
		r.DenyRepos[ref] = true
	}
	return r
}

// scope is a digest of the rules that decide what is in scope, whatever their order.
func (s settings) scope() []byte {
	rules := []string{"rules 1"} // another number when the program judges otherwise
	for _, d := range s.cfg.OwnRelay.Domains {
		rules = append(rules, "domain "+strings.ToLower(d))
	}
	for _, r := range s.cfg.Scope.Archive {
		rules = append(rules, "archive "+r.String())
	}
	for _, pk := range s.cfg.Scope.DenyAuthors {
		rules = append(rules, "deny author "+pk.String())
	}
	for _, ref := range s.cfg.Scope.DenyRepos {
		rules = append(rules, "deny repo "+ref.String())
	}
	slices.Sort(rules)
	rules = slices.Compact(rules)
	sum := sha256.Sum256([]byte(strings.Join(rules, "\n")))
	return sum[:]
}

// isOwn reports whether a URL is the own relay under any of its names.
func (s settings) isOwn(u relayurl.URL) bool {
	return u == s.own || relayurl.MatchHost(string(u), s.cfg.OwnRelay.Domains)
}

// allowsAddress reports a relay whose address network.allow_private has.
func (s settings) allowsAddress(u relayurl.URL) bool {
	addr, literal := u.Address()
	return literal && slices.ContainsFunc(s.cfg.Network.AllowPrivate, func(p netip.Prefix) bool { return p.Contains(addr) })
}

func (s settings) eventLimits() event.Limits {
	return event.Limits{Bytes: int(s.cfg.Limits.MessageBytes), Tags: s.cfg.Limits.EventTags}
}

func (s settings) dialer(rewrite func(relayurl.URL) (string, error)) relay.DialerOptions {
	l := s.cfg.Limits
	o := relay.DialerOptions{
		UserAgent:    relay.UserAgent(readBuildInfo().Version, s.cfg.HTTP.Contact),
		AllowPrivate: s.cfg.Network.AllowPrivate, ConnectTimeout: l.ConnectTimeout,
		MessageBytes: max(int64(l.MessageBytes), int64(l.NegMessageBytes)),
	}
	if p := s.cfg.Network.Proxy.Reveal(); p != "" {
		u, err := url.Parse(p)
		if err != nil {
			panic(err) // Load has read it
		}
		o.Proxy = &relay.Proxy{
			URL: u, OnionOnly: s.cfg.Network.ProxyFor == "onion", Direct: s.isOwn,
		}
	}
	if rewrite != nil {
		o.Rewrite = func(u relayurl.URL) (string, error) {
			if u == s.own {
				return string(u), nil
			}
			return rewrite(u)
		}
	}
	return o
}

func (s settings) publisher(o relay.PublisherOptions) relay.PublisherOptions {
	l := s.cfg.Limits
	o.Own, o.Rules, o.Login = s.own, s.rules(), s.login
	o.Window, o.EventsPerSecond = s.cfg.OwnRelay.Window, float64(s.cfg.OwnRelay.EventsPerSecond)
	o.PendingEvents, o.PendingBytes = l.PendingEvents, int64(l.PendingBytes)
	o.Retention = s.cfg.Database.Retention
	o.FutureSkew, o.IrrelevantIDs = l.FutureSkew, l.IrrelevantIDs
	return o
}

func (s settings) conn(o relay.ConnOptions) relay.ConnOptions {
	o.REQsPerMinute, o.Events = s.cfg.Limits.ReqsPerMinute, s.eventLimits()
	o.NegBytes = int(s.cfg.Limits.NegMessageBytes)
	return o
}

func (s settings) engine() sync.Config {
	c, from, l, h := sync.DefaultConfig(), s.cfg.Sync, s.cfg.Limits, s.cfg.Health
	c.Rules, c.Own, c.Seed = s.rules(), s.isOwn, s.seed
	c.Bootstrap, c.Pinned = from.Bootstrap, from.Pinned
	c.DenyRelays = map[relayurl.URL]bool{}
	for _, u := range s.cfg.Scope.DenyRelays {
		c.DenyRelays[u] = true
	}
	if len(s.cfg.Scope.AllowRelays) > 0 {
		c.AllowRelays = map[relayurl.URL]bool{}
		for _, u := range s.cfg.Scope.AllowRelays {
			c.AllowRelays[u] = true
		}
	}
	c.AllowAddress = s.allowsAddress
	c.SettleDelay, c.ReconnectWindow, c.SinceOverlap = from.SettleDelay, from.ReconnectWindow, from.SinceOverlap
	c.FullInterval, c.FullJitter, c.RemoveGrace = from.FullInterval, from.FullJitter, from.RemoveGrace
	c.PollInterval, c.MaxFilters = from.PollInterval, from.MaxFilters
	c.TagsPerFilter, c.RootsPerRepo, c.ConcurrentDials = from.TagsPerFilter, l.RootsPerRepo, l.ConcurrentDials
	c.MaxRelays, c.RelaysPerOwner = l.MaxRelays, l.RelaysPerOwner
	c.Health.BaseBackoff, c.Health.MaxBackoff = h.BaseBackoff, h.MaxBackoff
	c.Health.DeadAfter, c.Health.DeadRetry = h.DeadAfter, h.DeadRetry
	c.Health.StableAfter, c.Health.RateLimitCooldown = h.StableAfter, h.RateLimitCooldown
	return c
}
