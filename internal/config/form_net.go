package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/nbd-wtf/go-nostr/nip19"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

const maxContact = 200 // bytes of one HTTP header

func parseURL(s string) (relayurl.URL, error) {
	u, err := relayurl.Canonical(s)
	return u, urlReason(err)
}

func parseDomain(s string) (string, error) {
	d, err := relayurl.Domain(s)
	return d, urlReason(err)
}

// urlReason leaves out that it is about a URL: the message says what is allowed.
func urlReason(err error) error {
	if e, ok := errors.AsType[*relayurl.Error](err); ok {
		return fmt.Errorf("%s: %s", e.Reason, e.Detail)
	}
	return err
}

// parseArchive leaves out the rule and the allowed forms from the reason: the message has both.
func parseArchive(s string) (nip34.ArchiveRule, error) {
	r, err := nip34.ParseArchiveRule(s)
	if cause := errors.Unwrap(err); cause != nil {
		return r, urlReason(cause)
	}
	return r, err
}

func parseListen(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", errors.New("not host:port")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return "", errors.New("bad port")
	}
	if strings.ContainsAny(host, "/@ ") {
		return "", errors.New("bad host")
	}
	return s, nil
}

func parsePath(s string) (string, error) {
	if strings.TrimSpace(s) == "" {
		return "", errors.New("empty")
	}
	return s, nil
}

func parseContact(s string) (string, error) {
	if len(s) > maxContact {
		return "", fmt.Errorf("%d bytes", len(s))
	}
	for _, r := range s {
		if r < ' ' || r > '~' {
			return "", fmt.Errorf("holds %q", r)
		}
	}
	return s, nil
}

func parseDatabase(s string) (Secret, error) {
	scheme, rest, _ := strings.Cut(s, ":")
	switch scheme {
	case "sqlite":
		if strings.TrimSpace(rest) == "" {
			return "", errors.New("no path")
		}
	case "postgres", "postgresql":
		u, err := url.Parse(s)
		if err != nil || u.Opaque != "" {
			return "", errors.New("not a URL") // the cause would show the password
		}
		if misread(u) {
			return "", errMisread
		}
		if u.Host == "" && !u.Query().Has("host") {
			return "", errors.New("no host")
		}
	default:
		return "", errors.New("unknown kind of database")
	}
	return Secret(s), nil
}

func parseProxy(s string) (Secret, error) {
	if s == "" {
		return "", nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" {
		return "", errors.New("not a URL with a host") // the cause would show the password
	}
	if !slices.Contains([]string{"socks5", "socks5h"}, u.Scheme) {
		return "", errors.New("unknown scheme")
	}
	if misread(u) {
		return "", errMisread
	}
	return Secret(s), nil
}

var errMisread = errors.New("in a password / ? # and @ are written %2F %3F %23 and %40")

// misread reports a URL in which a character of the password ended the host. What follows would be taken for something that may be shown:
// the name of a database, say.
func misread(u *url.URL) bool {
	names := strings.Join(slices.Collect(maps.Keys(u.Query())), "")
	return u.User == nil && strings.Contains(u.Path+names+u.Fragment, "@")
}

// parsePrefix takes an address for the network of that one address.
func parsePrefix(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, errors.New("neither an address nor a network")
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

func parseNpub(s string) (event.PubKey, error) {
	if !strings.HasPrefix(s, "npub1") {
		return event.PubKey{}, errors.New("not an npub")
	}
	_, v, err := nip19.Decode(s)
	if err != nil {
		return event.PubKey{}, errors.New("not an npub: wrong length or checksum")
	}
	return event.ParsePubKey(v.(string))
}

func formatNpub(pk event.PubKey) string {
	s, err := nip19.EncodePublicKey(pk.String())
	if err != nil {
		return pk.String() // cannot happen: the input is 32 bytes in hex
	}
	return s
}

// parseRepo splits at the first slash: an identifier may hold more of them.
func parseRepo(s string) (event.Ref, error) {
	npub, d, ok := strings.Cut(s, "/")
	if !ok || d == "" {
		return event.Ref{}, errors.New("no identifier")
	}
	pk, err := parseNpub(npub)
	if err != nil {
		return event.Ref{}, err
	}
	return event.RepoRef(pk, d), nil
}

func formatRepo(r event.Ref) string { return formatNpub(r.PubKey) + "/" + r.D }
