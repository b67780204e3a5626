package sync

import (
	"testing"
	"time"

	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

func TestWhatWasSetAsideIsAskedWhenThatExpires(t *testing.T) {
	s := newScript(t, func(c *Config) { c.FullInterval = 1000 * time.Hour })
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	s.report(relay.Evidence{ID: s.conn(one), Tag: "e", Value: id("poison").String(), Reason: "invalid"})
	s.facts(selfsub.Facts{Roots: []selfsub.Root{root("poison", a.Ref), root("fine", a.Ref)}, Picture: 1})
	s.settleAll(one)
	s.elapse(23 * time.Hour)
	s.settleAll(one)
	for range 24 {
		s.elapse(10 * time.Minute)
		for _, b := range s.pending(one) {
			for _, f := range b.Filters {
				for _, v := range f.Tags["e"] {
					if v == id("poison").String() && f.Since == nil {
						return
					}
				}
			}
		}
		s.settleAll(one)
	}
	t.Fatal("never asked from the top")
}
