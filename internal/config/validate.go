package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// Validate checks what must hold between values before the daemon can run. Its error is an Errors.
func (c Config) Validate() error {
	v := &validator{cfg: c}
	v.scope()
	v.relays()
	v.bounds()
	return v.errs.orNil()
}

type validator struct {
	cfg  Config
	errs Errors
}

// fail records that one value of a key does not go with the rest.
func (v *validator) fail(key, value, reason, allowed string) {
	k := mustKey(key)
	v.errs = append(v.errs, &Error{Source: v.cfg.Source(key), Key: key, Value: k.quoted(value), Reason: reason, Allowed: allowed})
}

// place is a key with where its value comes from, for the other side of a contradiction.
func (v *validator) place(key string) string {
	return fmt.Sprintf("%s (%s)", key, v.cfg.Source(key))
}

func (v *validator) scope() {
	if len(v.cfg.OwnRelay.Domains) == 0 && len(v.cfg.Scope.Archive) == 0 {
		v.errs = append(v.errs, &Error{
			Reason:  "neither own_relay.domains nor scope.archive is given: nothing would be synced",
			Allowed: "the host that announcements name (--domain git.example.com), or a rule of what to keep (--archive npub1.../name)",
		})
	}
}

func (v *validator) relays() {
	for _, list := range []struct {
		key  string
		urls []relayurl.URL
	}{
		{"sync.bootstrap", v.cfg.Sync.Bootstrap},
		{"sync.pinned", v.cfg.Sync.Pinned},
		{"scope.allow_relays", v.cfg.Scope.AllowRelays},
	} {
		for _, u := range list.urls {
			if v.cfg.isOwn(u) {
				v.fail(list.key, u.String(), "this is the own relay", "other relays")
			}
			if slices.Contains(v.cfg.Scope.DenyRelays, u) {
				v.fail(list.key, u.String(), v.place("scope.deny_relays")+" forbids it", "a relay in one of the two lists")
			}
		}
	}
}

func (v *validator) bounds() {
	c := v.cfg
	if c.Health.MaxBackoff < c.Health.BaseBackoff {
		v.fail("health.max_backoff", formatDuration(c.Health.MaxBackoff), "shorter than "+v.place("health.base_backoff"),
			"at least "+formatDuration(c.Health.BaseBackoff))
	}
	if c.Sync.FullJitter >= c.Sync.FullInterval {
		v.fail("sync.full_jitter", formatDuration(c.Sync.FullJitter), "not shorter than "+v.place("sync.full_interval"),
			"less than "+formatDuration(c.Sync.FullInterval))
	}
	if c.Limits.PendingBytes < c.Limits.MessageBytes {
		v.fail("limits.pending_bytes", c.Limits.PendingBytes.String(), "has no room for one event of "+v.place("limits.message_bytes"),
			"at least "+c.Limits.MessageBytes.String())
	}
	if c.OwnRelay.URL == "" && c.HTTP.Listen == c.OwnRelay.Embedded.Listen && !strings.HasSuffix(c.HTTP.Listen, ":0") {
		v.fail("http.listen", c.HTTP.Listen, v.place("own_relay.embedded.listen")+" is the same address", "another port")
	}
}

// OwnURL is where the own relay is reached; without own_relay.url that is the embedded one. It is empty when the
// embedded relay takes any free port: its URL is known once it listens.
func (c Config) OwnURL() relayurl.URL {
	if c.OwnRelay.URL != "" {
		return c.OwnRelay.URL
	}
	host, port, err := net.SplitHostPort(c.OwnRelay.Embedded.Listen)
	if err != nil {
		return ""
	}
	if addr, err := netip.ParseAddr(host); host == "" || (err == nil && addr.IsUnspecified()) {
		host = "127.0.0.1" // every address: loopback is one of them
	}
	u, err := relayurl.Canonical("ws://" + net.JoinHostPort(host, port))
	if err != nil {
		return ""
	}
	return u
}

// isOwn reports whether a URL is the own relay: its URL, or any under one of its domains (DESIGN §10).
func (c Config) isOwn(u relayurl.URL) bool {
	return u == c.OwnURL() || relayurl.MatchHost(u.String(), c.OwnRelay.Domains)
}

// Warnings are sentences about what is allowed but may not be meant. They are logged at the start and printed by check-config.
func (c Config) Warnings() []string {
	var out []string
	if !loopback(c.HTTP.Listen) {
		out = append(out, fmt.Sprintf("http.listen (%s) is %s: whoever reaches it can read the status page and the metrics",
			c.Source("http.listen"), c.HTTP.Listen))
	}
	if c.Network.Proxy != "" {
		out = append(out, fmt.Sprintf("network.proxy (%s) is set: the proxy resolves names, so addresses of relays cannot be checked here",
			c.Source("network.proxy")))
	}
	if u := c.Database.URL; c.Source("database.url").Layer == FromFlag && u.String() != u.Reveal() {
		out = append(out, fmt.Sprintf("database.url (%s) holds a password: whoever lists the processes of this machine can read it; the file and the "+
			"environment are safer", c.Source("database.url")))
	}
	return out
}

// loopback reports whether only this machine reaches a listener. A name other than localhost may mean anything.
func loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && addr.IsLoopback())
}
