package nip34

import (
	"strings"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// Lists reports whether the announcement names the service at one of domains (host[:port]) in both `clone` and `relays`
// (GRASP-01; DESIGN §6). The same domain must stand in both. Endpoints for contributors' pull requests (GRASP-06, `/prs/`)
// say nothing about where the repository lives and do not count.
func (a *Announcement) Lists(domains []string) bool {
	for i := range domains {
		one := domains[i : i+1]
		if a.relaysName(one) && a.cloneNames(one) {
			return true
		}
	}
	return false
}

func (a *Announcement) relaysName(domain []string) bool {
	for _, u := range a.Relays {
		if relayurl.MatchHost(string(u), domain) {
			return true
		}
	}
	return false
}

func (a *Announcement) cloneNames(domain []string) bool {
	for _, clone := range a.Clone {
		if isGraspClone(clone) && relayurl.MatchHost(clone, domain) {
			return true
		}
	}
	return false
}

// isGraspClone reports `http(s)://<host>[/<path>]/<npub>/<identifier>.git` (NIP-34). The identifier may be
// percent-encoded or not, and an unencoded one may hold slashes.
func isGraspClone(clone string) bool {
	scheme, rest, ok := strings.Cut(clone, "://")
	if !ok || !(strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "http")) {
		return false
	}
	_, path, ok := strings.Cut(rest, "/")
	if !ok {
		return false
	}
	previous := ""
	for path != "" {
		segment, tail, _ := strings.Cut(path, "/")
		if isNpub(segment) {
			id, ok := strings.CutSuffix(strings.TrimRight(tail, "/"), ".git")
			return ok && id != "" && !strings.EqualFold(previous, "prs")
		}
		if segment != "" {
			previous = segment
		}
		path = tail
	}
	return false
}

func isNpub(s string) bool {
	_, err := parseNpub(s)
	return err == nil
}
