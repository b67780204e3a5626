package main

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// crowd is a world with more relays than places: six, of which the n-th is named by n owners and has an issue of each.
type crowd struct {
	*world
	relays []*relaytest.Relay // from 1; the first one has no part in it
	urls   []string
	issues [][]nostr.Event
}

func newCrowd(t *testing.T, places int) *crowd {
	c := &crowd{world: newWorld(t), relays: make([]*relaytest.Relay, 7), urls: make([]string, 7), issues: make([][]nostr.Event, 7)}
	c.cfg.Limits.MaxRelays = places
	c.relays[0] = c.bystander()
	for n := 1; n <= 6; n++ {
		host := fmt.Sprintf("r%d.example.com", n)
		c.relays[n], c.urls[n] = c.remote(host, relaytest.Options{}), "ws://"+host
	}
	at := time.Now().Add(-1000 * time.Hour)
	for owner := 1; owner <= 6; owner++ {
		c.own.Publish(newAuthor(owner).announce("repo", at, c.urls[owner:]...))
		for n := owner; n <= 6; n++ {
			issue := newAuthor(owner).issue("repo", at, fmt.Sprint("of ", n))
			c.issues[n] = append(c.issues[n], issue)
			c.relays[n].Publish(issue)
		}
	}
	return c
}

// open lists the relays that are connected.
func (c *crowd) open() (out []int) {
	for n := 1; n <= 6; n++ {
		if c.phase(c.urls[n]).Open() {
			out = append(out, n)
		}
	}
	return out
}

// doing is what the page says of a relay.
func (c *crowd) doing(n int) string {
	s := c.ring.snapshot.Load()
	for _, v := range slices.Concat(s.Relays, s.Waiting) {
		if v.URL == relayurl.URL(c.urls[n]) {
			return v.Doing
		}
	}
	return ""
}

// With three places for six relays those that most owners name are heard. A restart, and a reload with a larger limit, which is one, keep them. A
// dead one gives its place to the next, whose whole history comes; when it is back and has a place again, what it heard meanwhile comes too.
func TestThreePlacesForSixRelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 3)
		c.start()
		defer func() { c.close(c.relays...) }()
		c.connected(c.urls[4], c.urls[5], c.urls[6])
		c.arrive(0, slices.Concat(c.issues[4], c.issues[5], c.issues[6])...)
		require.Equal(t, []int{4, 5, 6}, c.open())
		require.Len(t, c.missing(slices.Concat(c.issues[1], c.issues[2], c.issues[3])...), 1+2+3)
		c.within(11*time.Minute, "it says why", func() bool { return c.doing(3) == "no free place: 3 owners, and those who have one give events" })
		require.Equal(t, 3, c.ring.snapshot.Load().NoPlace)

		c.stop()
		c.start()
		c.connected(c.urls[4], c.urls[5], c.urls[6])
		require.Equal(t, []int{4, 5, 6}, c.open())

		c.relays[4].Down(true)
		sleep(23 * time.Hour)
		require.Equal(t, []int{5, 6}, c.open(), "away, not dead")
		c.within(3*time.Hour, "the next one has its place", func() bool { return slices.Equal(c.open(), []int{3, 5, 6}) })
		c.arrive(time.Minute, c.issues[3]...)
		missed := newAuthor(1).issue("repo", time.Now().Add(-time.Hour), "while it had no place")
		dated := newAuthor(2).issue("repo", time.Now().Add(-900*time.Hour), "dated back")
		c.relays[4].Down(false)
		c.relays[4].Publish(missed, dated)
		sleep(48 * time.Hour)
		require.Equal(t, []int{3, 5, 6}, c.open(), "who gives keeps its place")
		require.Len(t, c.missing(missed, dated), 2)

		c.relays[6].Down(true)
		c.arrive(27*time.Hour, missed, dated)
		require.Equal(t, []int{3, 4, 5}, c.open())

		c.stop()
		c.cfg.Limits.MaxRelays = 6
		c.relays[6].Down(false)
		c.start()
		c.arrive(2*time.Minute, slices.Concat(c.issues[1], c.issues[2])...)
		c.within(25*time.Hour, "all have a place", func() bool { return len(c.open()) == 6 })
	})
}

// A relay that answers and had nothing new makes way, after its day, for one with more owners.
func TestARelayThatHadNothingNewMakesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 1)
		for n := 2; n <= 6; n++ {
			c.own.Publish(c.issues[n]...) // nothing new anywhere
		}
		c.own.Publish(c.issues[1]...)
		c.start()
		defer func() { c.close(c.relays...) }()
		c.connected(c.urls[6])
		for owner := 10; owner < 17; owner++ {
			c.own.Publish(newAuthor(owner).announce("new", time.Now(), c.urls[5]))
		}
		sleep(23 * time.Hour)
		require.Equal(t, []int{6}, c.open())
		c.within(2*time.Hour, "it has lost its place", func() bool { return slices.Equal(c.open(), []int{5}) })
		require.Contains(t, c.doing(6), "no free place: 6 owners, the last place needs ")
		live := newAuthor(5).issue("repo", time.Now(), "live")
		c.relays[5].Publish(live)
		c.arrive(time.Minute, live)
	})
}
