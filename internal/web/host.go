package web

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// hosted refuses requests for names that may be a stranger's. A page of his can have its own name lead to this machine when it asks again (DNS
// rebinding), and the browser would let it read the answer: they have one origin. No address and no name that public DNS does not know can
// be turned like that.
func (v *views) hosted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !v.answersTo(r.Host) {
			v.fail(w, http.StatusMisdirectedRequest, errors.New("not asked by a name of ours: a name that a proxy or a search list gives belongs in http.hosts"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// answersTo reports a Host header that no stranger's page can have sent. Without one it was no browser.
func (v *views) answersTo(hostport string) bool {
	name := hostName(hostport)
	if _, err := netip.ParseAddr(name); err == nil || name == "" {
		return true
	}
	return relayurl.LocalName(name) || name == hostName(v.Listen) ||
		slices.ContainsFunc(v.Hosts, func(host string) bool { return name == hostName(host) })
}

// hostName is host[:port] without port, brackets and the dot at the end, in lower case.
func hostName(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
