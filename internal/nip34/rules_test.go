package nip34

import (
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

func TestParseArchiveRule(t *testing.T) {
	n := npub(t, key(1))
	for in, want := range map[string]ArchiveRule{
		n:                            {PubKey: key(1)},
		n + "/ngit":                  {PubKey: key(1), Identifier: "ngit"},
		n + "/a/b:c d":               {PubKey: key(1), Identifier: "a/b:c d"},
		"domain:Relay.NGIT.dev":      {Domain: "relay.ngit.dev"},
		"domain:relay.ngit.dev:8443": {Domain: "relay.ngit.dev:8443"},
	} {
		got, err := ParseArchiveRule(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got)
		again, err := ParseArchiveRule(got.String())
		require.NoError(t, err)
		require.Equal(t, got, again)
	}
	for _, in := range []string{
		"", "ngit", "npub1", n[:62], n + "x", n + "/", "/ngit", key(1).String(), "nsec1" + n[5:],
		"domain:", "domain:https://relay.ngit.dev", "domain:a b", "Domain:relay.ngit.dev", "*",
	} {
		_, err := ParseArchiveRule(in)
		require.Error(t, err, in)
	}
}

func TestRulesNames(t *testing.T) {
	ours1 := announce(t, 1, 1, listing(t, 1, "x")...)
	foreign := announce(t, 2, 1, nostr.Tag{"d", "x"}, nostr.Tag{"relays", "wss://nos.lol"},
		nostr.Tag{"clone", "https://grasp.example/" + npub(t, key(2)) + "/x.git"}, nostr.Tag{"relays", "wss://grasp.example"})
	domains := Rules{Domains: []string{ours}}
	for _, tc := range []struct {
		name          string
		rules         Rules
		ours, foreign bool
	}{
		{"zero", Rules{}, false, false},
		{"domain", domains, true, false},
		{"archive by key", Rules{Archive: []ArchiveRule{{PubKey: key(2)}}}, false, true},
		{"archive by repo", Rules{Archive: []ArchiveRule{{PubKey: key(2), Identifier: "x"}}}, false, true},
		{"archive of another repo", Rules{Archive: []ArchiveRule{{PubKey: key(2), Identifier: "X"}}}, false, false},
		{"archive by server", Rules{Archive: []ArchiveRule{{Domain: "grasp.example"}}}, false, true},
		{"archive of a relay that is no server", Rules{Archive: []ArchiveRule{{Domain: "nos.lol"}}}, false, false},
		{"denied author", Rules{Domains: []string{ours}, DenyAuthors: map[event.PubKey]bool{key(1): true}}, false, false},
		{"denied repo", Rules{Domains: []string{ours}, DenyRepos: map[event.Ref]bool{repo(1, "x"): true}}, false, false},
		{"denied other repo", Rules{Domains: []string{ours}, DenyRepos: map[event.Ref]bool{repo(1, "y"): true}}, true, false},
		{"denied beats archive", Rules{Archive: []ArchiveRule{{PubKey: key(2)}}, DenyAuthors: map[event.PubKey]bool{key(2): true}}, false, false},
		{"denied with false", Rules{Domains: []string{ours}, DenyAuthors: map[event.PubKey]bool{key(1): false}}, true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.Equal(t, tc.ours, tc.rules.Names(ours1))
			require.Equal(t, tc.foreign, tc.rules.Names(foreign))
		})
	}
}
