package main

import (
	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/sync"
)

// rules is the scope as configured: what the publisher, the engine and the embedded relay agree on.
func (d *daemon) rules() nip34.Rules {
	s := d.cfg.Scope
	r := nip34.Rules{
		Domains: d.cfg.OwnRelay.Domains, Archive: s.Archive, RelaysPerRepo: d.cfg.Limits.RelaysPerRepo, OwnURLs: d.isOwn,
		DenyAuthors: map[event.PubKey]bool{}, DenyRepos: map[event.Ref]bool{},
	}
	for _, pk := range s.DenyAuthors {
		r.DenyAuthors[pk] = true
	}
	for _, ref := range s.DenyRepos {
		r.DenyRepos[ref] = true
	}
	return r
}

// isOwn reports whether a URL is the own relay under any of its names.
func (d *daemon) isOwn(u relayurl.URL) bool {
	return u == d.own || relayurl.MatchHost(string(u), d.cfg.OwnRelay.Domains)
}

func (d *daemon) eventLimits() event.Limits {
	return event.Limits{Bytes: int(d.cfg.Limits.MessageBytes), Tags: d.cfg.Limits.EventTags}
}

func (d *daemon) engineConfig() sync.Config {
	c, s, l := sync.DefaultConfig(), d.cfg.Sync, d.cfg.Limits
	c.Rules, c.Own = d.rules(), d.isOwn
	c.Bootstrap, c.Pinned = s.Bootstrap, s.Pinned
	c.DenyRelays = map[relayurl.URL]bool{}
	for _, u := range d.cfg.Scope.DenyRelays {
		c.DenyRelays[u] = true
	}
	c.SettleDelay, c.ReconnectWindow, c.SinceOverlap = s.SettleDelay, s.ReconnectWindow, s.SinceOverlap
	c.FullInterval, c.FullJitter, c.RemoveGrace = s.FullInterval, s.FullJitter, s.RemoveGrace
	c.TagsPerFilter, c.RootsPerRepo, c.MaxRelays, c.ConcurrentDials = s.TagsPerFilter, l.RootsPerRepo, l.MaxRelays, l.ConcurrentDials
	c.Seed = uint64(d.started.UnixNano())

	h := health.DefaultPolicy()
	h.BaseBackoff, h.MaxBackoff, h.DeadAfter, h.DeadRetry = d.cfg.Health.BaseBackoff, d.cfg.Health.MaxBackoff, d.cfg.Health.DeadAfter, d.cfg.Health.DeadRetry
	h.StableAfter, h.RateLimitCooldown = d.cfg.Health.StableAfter, d.cfg.Health.RateLimitCooldown
	c.Health = h
	return c
}
