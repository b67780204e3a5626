package negentropy

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// world draws two sets: how many items, how many to a second, and how they differ.
func world(t *rapid.T) (mine, theirs []item) {
	n := rapid.OneOf(rapid.IntRange(0, 70), rapid.IntRange(0, 4000)).Draw(t, "items")
	ties := rapid.SampledFrom([]int{1, 7, 1000, 1 << 30}).Draw(t, "ties")
	shape := rapid.SampledFrom([]string{"equal", "disjoint", "mine in theirs", "theirs in mine", "scattered", "newest", "hole"}).Draw(t, "shape")
	every := rapid.IntRange(2, 300).Draw(t, "one in")
	for k := range n {
		var here, there bool
		switch shape {
		case "equal":
			here, there = true, true
		case "disjoint":
			here = k%2 == 0
			there = !here
		case "mine in theirs":
			here, there = k%every != 0, true
		case "theirs in mine":
			here, there = true, k%every != 0
		case "scattered":
			here, there = k%every != 0, k%every != 1
		case "newest":
			here, there = k < n-n/every, true
		case "hole":
			here, there = k < n/3 || k > n/2, k%every != 1
		}
		it := numbered(k, ties)
		if here {
			mine = append(mine, it)
		}
		if there {
			theirs = append(theirs, it)
		}
	}
	return mine, theirs
}

var frames = []int{MinFrame, 5000, 60_000, 0}

func TestAnyTwoSetsAreReconciled(t *testing.T) {
	for name, peer := range map[string]func([]item, int) answerer{"library": library, "our own": ours} {
		t.Run("with "+name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				mine, theirs := world(t)
				frame := rapid.SampledFrom(frames).Draw(t, "frame")
				peerFrame := rapid.SampledFrom(frames).Draw(t, "peer's frame")
				got := reconcile(t, setOf(mine), Limits{Frame: frame}, peer(theirs, peerFrame))
				require.Equal(t, lacking(theirs, mine), got.needs)
				require.Len(t, lacking(mine, theirs), got.stats.Haves)
				require.Equal(t, lacking(mine, theirs), lacking(got.haves, nil))
				require.Empty(t, outside(got.haves, mine), "with their times")
				require.Len(t, got.needs, got.stats.Needs)
				at, some := oldestCommon(mine, theirs)
				require.Equal(t, some, got.common)
				require.Equal(t, at, got.oldest)
			})
		})
	}
}

func TestTheLibraryIsAnswered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mine, theirs := world(t)
		frame := rapid.SampledFrom(frames).Draw(t, "frame")
		haves, needs, _ := libraryReconcile(t, theirs, frame, ours(mine, frame))
		require.Equal(t, hexOf(lacking(theirs, mine)), haves)
		require.Equal(t, hexOf(lacking(mine, theirs)), needs)
	})
}

func hexOf(ids []event.ID) (out []string) {
	for _, id := range ids {
		out = append(out, id.String())
	}
	return out
}

// A list of work that overflows is asked about as one: more is listed, nothing is missed.
func TestWorkBeyondItsBoundIsAskedAsOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mine, theirs := world(t)
		i := New(setOf(mine), Limits{Frame: MinFrame})
		i.maxWork = rapid.IntRange(8, 60).Draw(t, "work")
		peer := library(theirs, 5000)
		got := map[event.ID]bool{}
		msg, done := i.Start(), false
		for !done {
			answer, err := peer(msg)
			require.NoError(t, err)
			msg, done, err = i.Next(answer)
			require.NoError(t, err)
			for _, id := range i.Needed() {
				got[id] = true
			}
			require.LessOrEqual(t, len(i.work), 2*i.maxWork+1)
			require.LessOrEqual(t, i.stats.Rounds, 2000)
		}
		want := lacking(theirs, mine)
		require.Len(t, got, len(want))
		for _, id := range want {
			require.True(t, got[id])
		}
	})
}

func TestEqualSetsTakeOneRound(t *testing.T) {
	for _, n := range []int{0, 1, 31, 32, 5000, 100_000} {
		var items []item
		for k := range n {
			items = append(items, numbered(k, 3))
		}
		got := reconcile(t, setOf(items), DefaultLimits(), library(items, 60_000))
		require.Empty(t, got.needs)
		require.Equal(t, 1, got.stats.Rounds)
		require.Less(t, got.stats.Sent+got.stats.Received, 1500, "%d items", n)
	}
}

func TestAnEmptySideTakesWhatThereIs(t *testing.T) {
	var items []item
	for k := range 20_000 {
		items = append(items, numbered(k, 3))
	}
	for name, peer := range map[string]answerer{"library": library(items, 60_000), "our own": ours(items, 60_000)} {
		got := reconcile(t, setOf(nil), DefaultLimits(), peer)
		require.Len(t, got.needs, len(items), name)
		require.LessOrEqual(t, got.stats.Rounds, 12, name)
		require.Less(t, got.stats.Sent, 1000, name)
	}
}

// Two implementations that fill frames alike would not notice what the other does with a short one.
func TestNoIDIsHandedOutTwice(t *testing.T) {
	var mine, theirs []item
	for k := range 30_000 {
		theirs = append(theirs, numbered(k, 5))
		if k%10 != 0 {
			mine = append(mine, numbered(k, 5))
		}
	}
	got := reconcile(t, setOf(mine), Limits{Frame: 60_000}, library(theirs, MinFrame))
	require.Equal(t, lacking(theirs, mine), got.needs)
}

// The design's figure for a daily pass: 100,000 ids, one in a hundred missing, less than 2.5 MB on the wire, in hex.
func TestADailyPassIsCheap(t *testing.T) {
	theirs := row(100_000, 2)
	mine := part(theirs, random100())
	for name, peer := range map[string]answerer{"library": library(theirs, 1<<20), "our own": ours(theirs, 60_000)} {
		got := reconcile(t, setOf(mine), DefaultLimits(), peer)
		require.Len(t, got.needs, len(theirs)-len(mine), name)
		require.LessOrEqual(t, got.stats.Rounds, 8, name)
		require.Less(t, 2*(got.stats.Sent+got.stats.Received), 1_300_000, name)
	}
}

func random100() func(int) bool {
	r := rand.New(rand.NewPCG(1, 2))
	return func(int) bool { return r.IntN(100) > 0 }
}
