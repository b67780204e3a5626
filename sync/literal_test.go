package sync

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

func TestAnAddressInPlaceOfANameNeedsTwoOwners(t *testing.T) {
	for _, address := range []relayurl.URL{"ws://198.51.100.7:7777", "wss://[2a00:1::7]"} {
		t.Run(string(address), func(t *testing.T) {
			s := newScript(t)
			s.picture(anns(announce("alice", "a", t0, []string{"bob"}, address), announce("alice", "b", t0, nil, address),
				announce("bob", "a", t0, []string{"alice"}, one)))
			s.elapse(24 * time.Hour)
			require.NotContains(t, dialled(s), address, "two repos of one owner, and a maintainer who does not name it himself")
			require.Contains(t, dialled(s), one)
			view := s.e.Snapshot(s.now).Relays
			require.Equal(t, address, view[0].URL)
			require.Equal(t, "not dialled: an address in place of a name, and only one owner names it", view[0].Doing)

			s.facts(selfsub.Facts{Announcements: anns(announce("carol", "c", s.now, nil, address)), Picture: 1})
			require.Contains(t, dialled(s), address)
		})
	}
}

func TestAnAddressThatTheOperatorAllowsNeedsNobody(t *testing.T) {
	const address = relayurl.URL("ws://10.1.2.3:7777")
	for name, change := range map[string]func(*Config){
		"pinned":        func(c *Config) { c.Pinned = append(c.Pinned, address) },
		"allow_relays":  func(c *Config) { c.AllowRelays = map[relayurl.URL]bool{address: true} },
		"allow_private": func(c *Config) { c.AllowAddress = func(u relayurl.URL) bool { return u == address } },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, change)
			s.picture(anns(announce("alice", "a", t0, nil, address)))
			require.Contains(t, dialled(s), address)
		})
	}
}
