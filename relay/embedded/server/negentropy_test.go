package server

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip77/negentropy"
	"github.com/nbd-wtf/go-nostr/nip77/negentropy/storage/vector"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

func numbered(n int) item {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	return item{at: uint64(1_700_000_000 + n/7), id: sha256.Sum256(b[:])} // seven to a second
}

// compare runs the library's initiator against a set and gives what each side lacks.
func compare(t require.TestingT, mine []item, theirs itemSet, frame int) (haves, needs []string, rounds int) {
	v := vector.New()
	for _, it := range mine {
		v.Insert(nostr.Timestamp(it.at), it.id.String())
	}
	v.Seal()
	neg := negentropy.New(v, frame)
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
	msg := neg.Start()
	for msg != "" {
		rounds++
		require.Less(t, rounds, 10_000)
		raw, err := hex.DecodeString(msg)
		require.NoError(t, err)
		answer, err := theirs.reconcile(raw, frame)
		require.NoError(t, err)
		require.LessOrEqual(t, len(answer), frame+buckets*60+100)
		msg, err = neg.Reconcile(hex.EncodeToString(answer))
		require.NoError(t, err)
	}
	<-collected
	<-collected
	slices.Sort(haves)
	slices.Sort(needs)
	// An initiator whose own frame is full gives up the range that it was at, and comes by it again.
	return slices.Compact(haves), slices.Compact(needs), rounds
}

func TestReconcileWithAnotherImplementation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 3000).Draw(t, "items")
		missing := rapid.IntRange(1, 200).Draw(t, "one missing in")
		frame := rapid.SampledFrom([]int{4096, 20_000, 60_000, 1 << 20}).Draw(t, "frame")
		var mine []item
		var theirs itemSet
		wantHaves, wantNeeds := []string(nil), []string(nil)
		for i := range n {
			it := numbered(i)
			switch {
			case i%missing == 1:
				mine = append(mine, it)
				wantHaves = append(wantHaves, it.id.String())
			case i%missing == 2:
				theirs = append(theirs, it)
				wantNeeds = append(wantNeeds, it.id.String())
			default:
				mine, theirs = append(mine, it), append(theirs, it)
			}
		}
		theirs.sort()
		slices.Sort(wantHaves)
		slices.Sort(wantNeeds)
		haves, needs, _ := compare(t, mine, theirs, frame)
		require.Equal(t, wantHaves, haves)
		require.Equal(t, wantNeeds, needs)
	})
}

func TestIdenticalSetsTakeOneRound(t *testing.T) {
	var set itemSet
	for i := range 100_000 {
		set = append(set, numbered(i))
	}
	set.sort()
	haves, needs, rounds := compare(t, set, set, 60_000)
	require.Empty(t, haves)
	require.Empty(t, needs)
	require.Equal(t, 1, rounds)
}

func TestReconcileRefusesNonsense(t *testing.T) {
	set := itemSet{numbered(1)}
	for _, c := range []struct {
		name string
		msg  []byte
		want error
	}{
		{"nothing", nil, errNegShort},
		{"another protocol", []byte{0x22}, errNegVersion},
		{"number without an end", []byte{0x61, 0xff}, errNegShort},
		{"number over 64 bits", []byte{0x61, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, errNegNumber},
		{"id prefix of 33 bytes", []byte{0x61, 0x02, 33}, errNegIDSize},
		{"a list of 2^26 ids that is not there", []byte{0x61, 0x00, 0x00, 0x02, 0xa0, 0x80, 0x80, 0x00}, errNegShort},
		{"mode 3", []byte{0x61, 0x00, 0x00, 0x03}, errNegMode},
		{"half a fingerprint", []byte{0x61, 0x00, 0x00, 0x01, 1, 2, 3}, errNegShort},
		{"backwards", []byte{0x61, 0x05, 0x01, 0x09, 0x00, 0x01, 0x01, 0x02, 0x00}, errNegRange},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := set.reconcile(c.msg, negFrameMax)
			require.ErrorIs(t, err, c.want)
		})
	}
	answer, err := set.reconcile([]byte{0x62}, negFrameMax)
	require.NoError(t, err)
	require.Equal(t, []byte{0x61}, answer, "a newer version is told ours")
}

func FuzzReconcile(f *testing.F) {
	f.Add([]byte{0x61})
	f.Add([]byte{0x61, 0x00, 0x00, 0x02, 0x00})
	f.Add([]byte{0x61, 0x00, 0x00, 0x02, 0xa0, 0x80, 0x80, 0x00})
	f.Add(append([]byte{0x61, 0x85, 0x10, 0x02, 7, 9, 0x01}, make([]byte, 16)...))
	var set itemSet
	for i := range 100 {
		set = append(set, numbered(i))
	}
	set.sort()
	f.Fuzz(func(t *testing.T, msg []byte) {
		answer, err := set.reconcile(msg, 4096)
		if err != nil {
			return
		}
		require.Equal(t, byte(negVersion), answer[0])
		require.LessOrEqual(t, len(answer), 4096+buckets*60+100)
	})
}

// Over the socket: sessions, their limits and their end.
func TestSessions(t *testing.T) {
	m := NewMemory()
	for i := range 50 {
		m.Add(sign(t, 1, 1, int64(i), fmt.Sprint(i)))
	}
	s := start(t, m, Limits{Reconciliations: 1, ReconcileItems: 40, PageLimit: 5})
	p := dial(t, s)
	p.write(`["NEG-OPEN","n",{},"6100000200"]`)
	p.want("NEG-ERR", "n", "blocked: this query is too big, more than 40 events")
	p.write(`["NEG-CLOSE","n"]`)

	// An empty list for everything is answered with all ids, the page limit notwithstanding.
	p.write(`["NEG-OPEN","n",{"since":20},"6100000200"]`)
	answer := p.read()
	require.Equal(t, []any{"NEG-MSG", "n"}, answer[:2])
	raw, err := hex.DecodeString(answer[2].(string))
	require.NoError(t, err)
	require.Len(t, raw, len("61000002")/2+1+30*32)

	q := dial(t, s)
	q.write(`["NEG-OPEN","n",{},"6100000200"]`)
	q.want("NEG-ERR", "n", "blocked: too many reconciliations at a time")
	p.write(`["NEG-MSG","n","61ff"]`)
	p.want("NEG-ERR", "n", "invalid: the negentropy message ends too early")
	p.write(`["NEG-MSG","n","61"]`)
	p.want("NEG-ERR", "n", "closed: no such session")
	p.write(`["NEG-OPEN","n",{"limit":3},"6100000200"]`)
	p.want("NEG-ERR", "n", "invalid: a reconciliation has no limit")
}

type broken struct{ *Memory }

var errDisk = errors.New("disk")

func (broken) Find(context.Context, nostr.Filter, int) ([]event.ID, error) { return nil, errDisk }
func (broken) Items(context.Context, nostr.Filter, int, func(int64, event.ID)) error {
	return errDisk
}

func TestABrokenStoreIsSaid(t *testing.T) {
	p := dial(t, start(t, broken{NewMemory()}, Limits{}))
	p.write(`["REQ","s",{}]`)
	p.want("CLOSED", "s", "error: the query could not be answered")
	p.write(`["NEG-OPEN","n",{},"6100000200"]`)
	p.want("NEG-ERR", "n", "error: the query could not be answered")
}
