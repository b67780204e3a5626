package negentropy

import (
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

func row(n, ties int) (items []item) {
	for k := range n {
		items = append(items, numbered(k, ties))
	}
	return items
}

// nonsense are messages that no honest peer sends, each with what is said about it.
var nonsense = []struct{ name, hex, want string }{
	{"nothing", "", "empty"},
	{"another protocol", "22", "not of this protocol"},
	{"a number without an end", "61ff", "cut off"},
	{"a number over 64 bits", "61ffffffffffffffffffffff7f", "number beyond 64 bits"},
	{"a number of leading zeros", "61" + strings.Repeat("80", 40) + "01", "number beyond 64 bits"},
	{"a negative length", "6101ffffffffffffffff7f", "no such bound"},
	{"an id prefix of 33 bytes", "610221" + strings.Repeat("00", 60), "no such bound"},
	{"infinity with an id", "61000101", "no such bound"},
	{"times that overflow", "6181ffffffffffffffff7d00" + "0081ffffffffffffffff7d0000", "time beyond 64 bits"},
	{"a time after infinity", "610000000500" + "00", "time beyond 64 bits"},
	{"2^26 ids that are not there", "61000002a0808000", "more ids announced than sent"},
	{"2^62 ids that are not there", "61000002c08080808080808000", "more ids announced than sent"},
	{"mode 3", "61000003", "unknown mode"},
	{"mode 2^64-1", "61000081ffffffffffffffff7f", "unknown mode"},
	{"half a fingerprint", "61000001010203", "cut off"},
	{"backwards", "6105010900" + "01010800", "ranges out of order"},
}

func TestNonsenseIsRefused(t *testing.T) {
	set := setOf(row(100, 3))
	for _, c := range nonsense {
		t.Run(c.name, func(t *testing.T) {
			msg, err := hex.DecodeString(c.hex)
			require.NoError(t, err)
			i := New(set, DefaultLimits())
			i.Start()
			reply, done, err := i.Next(msg)
			require.ErrorIs(t, err, ErrMalformed)
			require.ErrorContains(t, err, c.want)
			require.Nil(t, reply)
			require.False(t, done)
			_, _, err = i.Next([]byte{Version})
			require.ErrorIs(t, err, ErrOver, "after an error nothing is awaited")

			_, err = set.Answer(msg, 60_000)
			require.ErrorIs(t, err, ErrMalformed)
			require.ErrorContains(t, err, c.want)
			require.Less(t, allocated(func() { _, _ = set.Answer(msg, 60_000) }), uint64(1<<20))
		})
	}
}

// allocated gives the bytes that f allocates, and with it whatever relays of tests before allocate meanwhile: measure megabytes.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// message writes ranges that need not be allowed.
func message(ranges func(w *writer)) []byte {
	w := newWriter()
	ranges(&w)
	return w.buf
}

func timed(at uint64) *bound { return &bound{key: keyOf(at, nil)} }

// What was asked decides what may be answered.
func TestAnswersLieWhereSomethingWasAsked(t *testing.T) {
	items := row(6*16, 1) // asked about in 16 parts of six seconds
	begin := uint64(items[0].at)
	other := numbered(1_000_000, 1)
	one := setOf([]item{other}).slice(0, 1)
	for _, c := range []struct {
		name string
		msg  func(w *writer)
		want string
	}{
		{"a fingerprint over two parts", func(w *writer) { w.fingerprint(timed(begin+12), fingerprint{}) }, "not asked"},
		{"ids over two parts", func(w *writer) { w.list(timed(begin+12), one) }, "not asked"},
		{"ids in no room", func(w *writer) { w.skipTo(timed(begin)); w.list(timed(begin), one) }, "no room"},
		{"everything at once", func(w *writer) { w.fingerprint(&infinite, fingerprint{}) }, "no answer"},
		{"after what was", func(w *writer) { w.list(timed(begin+6), one); w.list(timed(begin+13), one) }, "not asked"},
		{"beyond the end", func(w *writer) { w.skipTo(&infinite); w.list(&infinite, one) }, "not asked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := New(setOf(items), DefaultLimits())
			i.Start()
			_, _, err := i.Next(message(c.msg))
			require.ErrorIs(t, err, ErrMalformed)
			require.ErrorContains(t, err, c.want)
			require.Empty(t, i.Needed())
		})
	}
}

// In the second round a list is asked for, of the six seconds in which the first answer differed.
func TestAListIsAnsweredWithAList(t *testing.T) {
	items := row(6*16, 1)
	begin := uint64(items[0].at)
	one := setOf([]item{numbered(1_000_000, 1)}).slice(0, 1)
	for _, c := range []struct {
		name string
		msg  func(w *writer)
		want string
	}{
		{"nothing", func(*writer) {}, "a list is missing"},
		{"a skip", func(w *writer) { w.skipTo(&infinite) }, "a list is missing"},
		{"half of it", func(w *writer) { w.skipTo(timed(begin + 6)); w.list(timed(begin+8), nil) }, "a list is missing"},
		{"a gap", func(w *writer) {
			w.skipTo(timed(begin + 6))
			w.list(timed(begin+8), nil)
			w.skipTo(timed(begin + 9))
			w.list(timed(begin+12), nil)
		}, "a list with a gap"},
		{"a fingerprint", func(w *writer) { w.skipTo(timed(begin + 6)); w.fingerprint(timed(begin+12), fingerprint{}) }, "not asked"},
		{"what was settled", func(w *writer) { w.list(timed(begin+6), one) }, "not asked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := New(setOf(items), DefaultLimits())
			i.Start()
			_, _, err := i.Next(message(func(w *writer) {
				w.skipTo(timed(begin + 6))
				w.fingerprint(timed(begin+12), fingerprint{})
			}))
			require.NoError(t, err)
			_, _, err = i.Next(message(c.msg))
			require.ErrorIs(t, err, ErrMalformed)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestAnotherVersionIsNamed(t *testing.T) {
	i := New(setOf(nil), DefaultLimits())
	i.Start()
	_, _, err := i.Next([]byte{0x60})
	var version ErrVersion
	require.ErrorAs(t, err, &version)
	require.Equal(t, byte(0x60), version.Got)
	require.EqualError(t, err, "negentropy: the peer speaks version 0x60, not 0x61")

	answer, err := setOf(nil).Answer([]byte{0x62, 1, 2, 3}, 0)
	require.NoError(t, err)
	require.Equal(t, []byte{Version}, answer)
}

func TestNothingIsAwaitedBeforeStart(t *testing.T) {
	_, _, err := New(setOf(nil), DefaultLimits()).Next([]byte{Version})
	require.ErrorIs(t, err, ErrOver)
}

// A peer that cuts every answer after one second of time could go on for ever.
func TestRoundsAreBounded(t *testing.T) {
	i := New(setOf(nil), Limits{Rounds: 50})
	i.Start()
	for n := range 50 {
		_, _, err := i.Next(message(func(w *writer) {
			w.skipTo(timed(uint64(n)))
			w.list(timed(uint64(n+1)), nil)
			w.fingerprint(&infinite, fingerprint{1})
		}))
		if n == 49 {
			require.ErrorIs(t, err, ErrRounds)
			break
		}
		require.NoError(t, err)
	}
}

func TestNeedsAreBounded(t *testing.T) {
	i := New(setOf(nil), Limits{Needs: 10})
	answer, err := setOf(row(11, 1)).Answer(i.Start(), 0)
	require.NoError(t, err)
	_, _, err = i.Next(answer)
	require.ErrorIs(t, err, ErrNeeds)
	require.Len(t, i.Needed(), 11, "what was said can still be fetched")
}

func TestBytesAreBounded(t *testing.T) {
	theirs := setOf(row(50_000, 1))
	i := New(setOf(nil), Limits{Bytes: 100_000})
	msg := i.Start()
	for {
		answer, err := theirs.Answer(msg, 60_000)
		require.NoError(t, err)
		if msg, _, err = i.Next(answer); err != nil {
			require.ErrorIs(t, err, ErrBytes)
			break
		}
	}
	require.Equal(t, 2, i.Stats().Rounds)
}

func TestAnIDListedTwiceIsNeededOnce(t *testing.T) {
	have, lack := setOf([]item{numbered(0, 1)}).slice(0, 1)[0], setOf([]item{numbered(1, 1)}).slice(0, 1)[0]
	i := New(setOf([]item{numbered(0, 1)}), DefaultLimits())
	i.Start()
	_, done, err := i.Next(message(func(w *writer) {
		w.list(timed(5), []key{lack})
		w.list(&infinite, []key{have, lack, have, lack})
	}))
	require.NoError(t, err)
	require.True(t, done)
	require.Equal(t, []event.ID{event.ID(*lack.id())}, i.Needed())
	require.Equal(t, Stats{Rounds: 1, Sent: 5, Received: 1 + 2*4 + 5*32, Needs: 1}, i.Stats())
}

// Where a frame ends, honest peers write ranges without extent.
func TestRangesWithoutExtentSayNothing(t *testing.T) {
	items := row(12, 1) // asked about in two parts of six seconds
	begin := uint64(items[0].at)
	i := New(setOf(items), DefaultLimits())
	i.Start()
	_, done, err := i.Next(message(func(w *writer) {
		w.skipTo(timed(begin + 2))
		w.fingerprint(timed(begin+2), fingerprint{1})
		w.skipTo(timed(begin + 6))
		w.list(timed(begin+6), nil)
		w.skipTo(&infinite)
		w.list(&infinite, nil)
		w.fingerprint(&infinite, fingerprint{1})
	}))
	require.NoError(t, err)
	require.True(t, done)
	require.Zero(t, i.Stats().Haves)
}

// The answering side leaves room for its last range wherever the frame happens to be full.
func TestAFullFrameEndsWithinItsLimit(t *testing.T) {
	set := setOf(row(400, 1<<30))
	for size := range idBytes {
		for step := 2; step < 40; step++ {
			answer, err := set.Answer(message(func(w *writer) {
				w.list(timed(1_700_000_000), nil)
				for k := 1; k < 400; k += step {
					b := bound{key: *set.items.at(k), size: uint8(idBytes)}
					if k == 1 {
						b = bound{key: keyOf(b.key.at(), b.key.id()[:size]), size: uint8(size)}
					}
					w.skipTo(&b)
					w.list(&bound{key: *set.items.at(min(k+step/2, 399)), size: uint8(idBytes)}, nil)
				}
			}), MinFrame)
			require.NoError(t, err)
			require.LessOrEqual(t, len(answer), MinFrame)
			truthful(t, set, answer)
		}
	}
}

// Whatever a peer does to honest answers, it gets an end or an error, and frames stay within their limit.
func TestMeddlingEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mine, theirs := world(t)
		peer := setOf(theirs)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		oneIn := rapid.IntRange(1, 300).Draw(t, "a change in so many bytes")
		i := New(setOf(mine), Limits{Frame: MinFrame, Rounds: 300, Bytes: 8 << 20, Needs: 100_000})
		msg, done := i.Start(), false
		for !done {
			answer, err := peer.Answer(msg, 5000)
			require.NoError(t, err)
			for at := random.IntN(2 * oneIn); at < len(answer); at += 1 + random.IntN(2*oneIn) {
				switch random.IntN(3) {
				case 0:
					answer[at] ^= 1 << random.IntN(8)
				case 1:
					answer = append(answer[:at], answer[at+1:]...)
				default:
					answer = answer[:at]
				}
			}
			if msg, done, err = i.Next(answer); err != nil {
				var version ErrVersion
				require.True(t, errors.Is(err, ErrMalformed) || errors.Is(err, ErrRounds) || errors.Is(err, ErrBytes) ||
					errors.Is(err, ErrNeeds) || errors.As(err, &version), "%v", err)
				return
			}
			require.LessOrEqual(t, len(msg), MinFrame)
		}
	})
}
