package nip34

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// told is an index that hears of announcements one by one, and keeps so many that are not in scope.
func told(most int, bytes int64, all ...*Announcement) (*Index, [][]event.Ref) {
	x, f := NewIndex(Rules{Domains: []string{ours}}), NewForeign(most, bytes)
	var gone [][]event.Ref
	for _, a := range all {
		left := x.Apply([]*Announcement{a}, nil).Left
		gone = append(gone, f.Trim(x, []*Announcement{a}, left))
	}
	return x, gone
}

func TestForeignAnnouncementsAreBounded(t *testing.T) {
	x, gone := told(2, 1<<20, member(t, 2, 1, "x"), member(t, 3, 1, "x"), member(t, 4, 1, "x"), root(t, 1, 1, "x", 2, 3))
	require.Equal(t, [][]event.Ref{nil, nil, refs("x", 2), nil}, gone)
	requireRepo(t, x, repo(1, "x"), refs("x", 1, 2, 3), "wss://r1.example", "wss://r3.example")

	t.Run("what is in scope by now stays", func(t *testing.T) {
		x, gone := told(1, 1<<20, member(t, 2, 1, "x"), root(t, 1, 1, "x", 2), member(t, 3, 1, "x"), member(t, 4, 1, "x"))
		require.Equal(t, [][]event.Ref{nil, nil, nil, refs("x", 3)}, gone)
		require.True(t, x.Covers(repo(2, "x")))
	})
	t.Run("what has left scope counts from then on", func(t *testing.T) {
		_, gone := told(1, 1<<20, root(t, 1, 1, "x", 2, 3, 4), member(t, 2, 1, "x"), member(t, 3, 1, "x"), member(t, 4, 1, "x"), root(t, 1, 2, "x"))
		require.Len(t, gone[4], 2)
	})
	t.Run("a new version takes no other place", func(t *testing.T) {
		_, gone := told(2, 1<<20, member(t, 2, 1, "x"), member(t, 3, 1, "x"), member(t, 2, 2, "x"), member(t, 2, 1, "x"))
		require.Equal(t, [][]event.Ref{nil, nil, nil, nil}, gone)
	})
}

func TestForeignAnnouncementsAreBoundedInBytes(t *testing.T) {
	large := func(author int, at int64) *Announcement {
		a := *member(t, author, at, "x").Slim()
		a.Name = strings.Repeat("n", 10_000)
		return &a
	}
	_, gone := told(100, 25_000, large(2, 1), large(3, 1), large(4, 1))
	require.Equal(t, [][]event.Ref{nil, nil, refs("x", 2)}, gone)

	t.Run("of the newest versions", func(t *testing.T) {
		_, gone := told(100, 25_000, member(t, 2, 1, "x").Slim(), member(t, 3, 1, "x").Slim(), large(4, 1), large(2, 2), large(3, 2))
		require.Equal(t, [][]event.Ref{nil, nil, nil, nil, refs("x", 2)}, gone)
	})
	t.Run("which are forgotten with what goes", func(t *testing.T) {
		var all []*Announcement
		for i := range 1000 {
			a := large(i, 1)
			a.Ref = event.RepoRef(key(i), fmt.Sprint(i))
			all = append(all, a)
		}
		x, _ := told(100, 25_000, all...)
		require.Equal(t, 2, x.Len())
	})
}
