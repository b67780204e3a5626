package nip34

import (
	"fmt"
	"slices"
	"testing"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// fill is an index of n repos with two maintainers each.
func fill(b *testing.B, n int) *Index {
	b.Helper()
	x := NewIndex(Rules{Domains: []string{ours}})
	all := make([]*Announcement, 0, 2*n)
	for i := range n {
		d := fmt.Sprintf("repo-%d", i)
		all = append(all, root(b, i%5000, 1, d, i%5000+1).Slim(), member(b, i%5000+1, 1, d).Slim())
	}
	x.Apply(all, nil)
	return x
}

// BenchmarkIndexAdd replaces one announcement in indexes of different sizes: the cost must not depend on the size.
func BenchmarkIndexAdd(b *testing.B) {
	for _, n := range []int{1000, 100000} {
		x := fill(b, n)
		a := root(b, 7, 2, "repo-7", 8, 9)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				next := *a
				a = &next
				a.CreatedAt++
				a.Relays = []relayurl.URL{"wss://" + ours, relayurl.URL(fmt.Sprintf("wss://r%d.example", a.CreatedAt%2))}
				if len(x.Add(a)) != 1 {
					b.Fatal("no change")
				}
			}
		})
	}
}

// BenchmarkIndexCrowd is the worst that strangers can do: 1,000 keys, all listing us under one identifier, all
// naming each other, and one of them changing its mind.
func BenchmarkIndexCrowd(b *testing.B) {
	const crowd = 1000
	x := NewIndex(Rules{Domains: []string{ours}})
	all := make([]*Announcement, crowd)
	for i := range all {
		named := make([]int, MaxMaintainers)
		for j := range named {
			named[j] = (i + 1 + 5*j) % crowd
		}
		all[i] = root(b, i, 1, "x", named...)
	}
	x.Apply(all, nil)
	a := *all[0]
	b.ReportAllocs()
	for b.Loop() {
		next := a
		next.CreatedAt++
		next.Maintainers = slices.Concat(a.Maintainers[1:], a.Maintainers[:1])
		a = next
		x.Add(&next)
	}
}

func BenchmarkIndexCovers(b *testing.B) {
	x := fill(b, 1000)
	ref := repo(8, "repo-7")
	b.ReportAllocs()
	for b.Loop() {
		if !x.Covers(ref) {
			b.Fatal("not covered")
		}
	}
}

func BenchmarkParseAnnouncement(b *testing.B) {
	e := root(b, 1, 1, "x", 2, 3).Event
	e.Tags = append(e.Tags, nostr.Tag{"relays", "wss://relay.damus.io/", "wss://nos.lol/", "wss://relay.ngit.dev", "wss://gitnostr.com"})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseAnnouncement(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLists(b *testing.B) {
	a := root(b, 1, 1, "x")
	b.ReportAllocs()
	for b.Loop() {
		if !a.Lists([]string{ours}) {
			b.Fatal("not listed")
		}
	}
}
