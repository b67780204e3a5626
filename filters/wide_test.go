package filters_test

import (
	"slices"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

func TestWithKinds(t *testing.T) {
	fs := filters.WithKinds(tagFilter("e", "x"))
	require.Len(t, fs, 2)
	require.Equal(t, []int{1}, fs[1].Kinds)
	require.NotContains(t, fs[0].Kinds, 1)
	for _, kind := range append(event.RootKinds[:], 5, 7, 62, 1111, 1622, 1624, 1630, 1633, 1985, 7321, 9735, 30617, 30618) {
		require.Contains(t, fs[0].Kinds, kind)
	}
	require.False(t, slices.ContainsFunc(fs[0].Kinds, event.NeverSynced))

	fs[0].Kinds[0] = 99
	require.NotContains(t, filters.WithKinds(tagFilter("e", "x"))[0].Kinds, 99)
}

func TestWithKindsLeavesKindsAlone(t *testing.T) {
	for _, f := range slices.Concat(
		filters.Replies([]event.ID{{1}}, 100)[0], filters.StatesOf([]string{"a"}, 100), filters.Wide(),
		filters.AnnouncementsBy([]event.PubKey{key(1)}, []string{"a"}, 100), filters.DeletionsBy([]event.PubKey{key(1)}, 100),
		[]nostr.Filter{filters.Announcements(), filters.Deletions()},
	) {
		require.Equal(t, []nostr.Filter{f}, filters.WithKinds(f))
	}
}

func TestWide(t *testing.T) {
	set := filters.Compile(filters.Wide())
	require.Equal(t, []int{0}, set.Match(makeEvent(1, 1, 1630, 1, nil), nil))
	require.Equal(t, []int{1}, set.Match(makeEvent(1, 1, 1111, 1, nostr.Tags{{"K", "30617"}}), nil))
	require.Empty(t, set.Match(makeEvent(1, 1, 1111, 1, nostr.Tags{{"K", "1"}}), nil))
	require.Equal(t, []int{2}, set.Match(makeEvent(1, 1, 5, 1, nostr.Tags{{"k", "1621"}}), nil))
	require.Empty(t, set.Match(makeEvent(1, 1, 1, 1, nil), nil))
}
