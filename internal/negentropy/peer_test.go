package negentropy

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"

	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip77/negentropy"
	"github.com/nbd-wtf/go-nostr/nip77/negentropy/storage/vector"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// item is an event as both sides know it.
type item struct {
	at int64
	id event.ID
}

// numbered gives the n-th item, `ties` to a second.
func numbered(n, ties int) item {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	return item{at: 1_700_000_000 + int64(n/ties), id: sha256.Sum256(b[:])}
}

func setOf(items []item) *Set {
	b := NewBuilder()
	for _, it := range items {
		b.Add(it.at, it.id)
	}
	return b.Seal()
}

// answerer is the answering side, ours or another's.
type answerer func(msg []byte) ([]byte, error)

func ours(items []item, frame int) answerer {
	set := setOf(items)
	return func(msg []byte) ([]byte, error) { return set.Answer(msg, frame) }
}

func vectorOf(items []item) *vector.Vector {
	v := vector.New()
	for _, it := range items {
		v.Insert(nostr.Timestamp(it.at), it.id.String())
	}
	v.Seal()
	return v
}

func library(items []item, frame int) answerer {
	v := vectorOf(items)
	return func(msg []byte) ([]byte, error) {
		answer, err := negentropy.New(v, frame).Reconcile(hex.EncodeToString(msg))
		if err != nil {
			return nil, err
		}
		return hex.DecodeString(answer)
	}
}

// outcome is what a reconciliation found.
type outcome struct {
	needs []event.ID // sorted
	haves []item
	stats Stats

	oldest int64 // that both have
	common bool
}

// reconcile runs our initiator to its end.
func reconcile(t require.TestingT, set *Set, limits Limits, peer answerer) outcome {
	var out outcome
	i := New(set, limits)
	i.OnHave(func(at int64, id event.ID) { out.haves = append(out.haves, item{at, id}) })
	msg, done := i.Start(), false
	for !done {
		require.LessOrEqual(t, len(msg), limits.frame())
		answer, err := peer(msg)
		require.NoError(t, err)
		msg, done, err = i.Next(answer)
		require.NoError(t, err)
		require.Equal(t, done, msg == nil)
		out.needs = append(out.needs, i.Needed()...)
		require.Less(t, i.Stats().Rounds, 100_000)
	}
	slices.SortFunc(out.needs, compareIDs)
	out.stats = i.Stats()
	out.oldest, out.common = i.Oldest()
	return out
}

// oldestCommon gives the time of the oldest item that stands in both sets.
func oldestCommon(a, b []item) (at int64, ok bool) {
	in := make(map[event.ID]bool, len(b))
	for _, it := range b {
		in[it.id] = true
	}
	for _, it := range a {
		if in[it.id] && (!ok || it.at < at) {
			at, ok = it.at, true
		}
	}
	return at, ok
}

// libraryReconcile runs the library's initiator against an answering side. It lists some ids twice when its frame is
// full, so they are given once.
func libraryReconcile(t require.TestingT, items []item, frame int, peer answerer) (haves, needs []string, rounds int) {
	neg := negentropy.New(vectorOf(items), frame)
	collected := make(chan struct{}, 2)
	go func() {
		for id := range neg.Haves {
			haves = append(haves, id)
		}
		collected <- struct{}{}
	}()
	go func() {
		for id := range neg.HaveNots {
			needs = append(needs, id)
		}
		collected <- struct{}{}
	}()
	for msg := neg.Start(); msg != ""; rounds++ {
		require.Less(t, rounds, 100_000)
		raw, err := hex.DecodeString(msg)
		require.NoError(t, err)
		answer, err := peer(raw)
		require.NoError(t, err)
		if frame > 0 {
			require.LessOrEqual(t, len(answer), frame)
		}
		msg, err = neg.Reconcile(hex.EncodeToString(answer))
		require.NoError(t, err)
	}
	<-collected
	<-collected
	slices.Sort(haves)
	slices.Sort(needs)
	return slices.Compact(haves), slices.Compact(needs), rounds
}

// lacking gives the ids of a that are not in b, sorted.
func lacking(a, b []item) []event.ID {
	in := make(map[event.ID]bool, len(b))
	for _, it := range b {
		in[it.id] = true
	}
	var out []event.ID
	for _, it := range a {
		if !in[it.id] {
			out = append(out, it.id)
		}
	}
	slices.SortFunc(out, compareIDs)
	return out
}

// outside gives the items of a that are not in b.
func outside(a, b []item) (out []item) {
	in := make(map[item]bool, len(b))
	for _, it := range b {
		in[it] = true
	}
	for _, it := range a {
		if !in[it] {
			out = append(out, it)
		}
	}
	return out
}
