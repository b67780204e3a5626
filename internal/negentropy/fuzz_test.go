package negentropy

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
)

// seeds adds nonsense and what honest peers say to each other.
func seeds(f *testing.F, add func(msg []byte)) {
	for _, c := range nonsense {
		msg, err := hex.DecodeString(c.hex)
		require.NoError(f, err)
		add(msg)
	}
	add([]byte{Version})
	add([]byte{0x62})
	mine, theirs := New(setOf(row(400, 7)), Limits{Frame: MinFrame}), setOf(row(500, 7)[100:])
	msg, done := mine.Start(), false
	for !done {
		add(msg)
		answer, err := theirs.Answer(msg, MinFrame)
		require.NoError(f, err)
		add(answer)
		msg, done, err = mine.Next(answer)
		require.NoError(f, err)
	}
}

// FuzzNext: no two answers make the asking side panic or exceed its frame, and what it says next is well formed.
func FuzzNext(f *testing.F) {
	seeds(f, func(msg []byte) {
		f.Add(msg, []byte{Version})
		f.Add(msg, msg)
	})
	set := setOf(row(400, 7))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		i := New(set, Limits{Frame: MinFrame, Needs: 1000})
		require.LessOrEqual(t, len(i.Start()), MinFrame)
		for _, answer := range [][]byte{first, second} {
			reply, done, err := i.Next(answer)
			require.Equal(t, reply == nil, done || err != nil)
			if reply == nil {
				_, _, err = i.Next(answer)
				require.ErrorIs(t, err, ErrOver)
				return
			}
			require.LessOrEqual(t, len(reply), MinFrame)
			r, err := read(reply)
			require.NoError(t, err)
			for r.more() {
				_, err = r.next()
				require.NoError(t, err)
			}
		}
	})
}

// FuzzAnswer: no message makes the answering side panic or exceed its frame, and what it answers is so.
func FuzzAnswer(f *testing.F) {
	seeds(f, func(msg []byte) { f.Add(msg) })
	set := setOf(row(400, 7))
	f.Fuzz(func(t *testing.T, msg []byte) {
		answer, err := set.Answer(msg, MinFrame)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			require.Nil(t, answer)
			return
		}
		require.LessOrEqual(t, len(answer), MinFrame)
		truthful(t, set, answer)
	})
}

// truthful checks that what a message says of a set is so.
func truthful(t *testing.T, set *Set, msg []byte) {
	t.Helper()
	r, err := read(msg)
	require.NoError(t, err)
	for r.more() {
		p, err := r.next()
		require.NoError(t, err)
		lo, hi := set.find(0, set.Len(), &p.start), set.find(0, set.Len(), &p.end)
		switch p.mode {
		case modeSkip:
		case modeFingerprint:
			require.Equal(t, set.fingerprint(lo, hi), p.fingerprint)
		case modeIDs:
			var ids []byte
			for k := lo; k < hi; k++ {
				ids = append(ids, set.items.at(k).id()[:]...)
			}
			require.True(t, bytes.Equal(ids, p.ids))
		}
	}
}
