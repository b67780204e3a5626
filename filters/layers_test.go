package filters_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

func TestFixedFilters(t *testing.T) {
	require.JSONEq(t, `{"kinds":[30617]}`, filters.Announcements().String())
	require.JSONEq(t, `{"kinds":[5],"#k":["1111","1617","1618","1619","1621","1622","1624","1985","7","30617","30618"]}`,
		filters.Deletions().String())
}

func TestListsAreNeverEmpty(t *testing.T) {
	require.Empty(t, filters.StatesOf(nil, 100))
	require.Empty(t, filters.AboutRepos(nil, 100))
	require.Empty(t, filters.AboutRoots(nil, 100))
	require.Empty(t, filters.Replies(nil, 100))
	require.Empty(t, filters.IDs(nil, 100))
	require.Empty(t, filters.DeletionsBy(nil, 100))
	require.Empty(t, filters.AnnouncementsBy([]event.PubKey{key(1)}, nil, 100))
	require.Empty(t, filters.AnnouncementsBy(nil, []string{"a"}, 100))
}

func TestStatesAreChunked(t *testing.T) {
	fs := filters.StatesOf([]string{"a", "b", ""}, 2)
	require.Len(t, fs, 2)
	require.JSONEq(t, `{"kinds":[30618],"#d":["a","b"]}`, fs[0].String())
	require.JSONEq(t, `{"kinds":[30618],"#d":[""]}`, fs[1].String())
}

func TestReposAskThreeTags(t *testing.T) {
	chunks := filters.AboutRepos([]event.Ref{repo(1, "x:y"), repo(2, "z")}, 100)
	require.Len(t, chunks, 1)
	want := fmt.Sprintf(`["30617:%s:x:y","30617:%s:z"]`, key(1), key(2))
	for i, name := range []string{"a", "A", "q"} {
		require.JSONEq(t, fmt.Sprintf(`{"#%s":%s}`, name, want), chunks[0][i].String())
	}
}

func TestLongValuesAreAlone(t *testing.T) {
	long := repo(3, strings.Repeat("x", 200))
	chunks := filters.AboutRepos([]event.Ref{repo(1, "a"), long, repo(2, "b")}, 100)
	require.Len(t, chunks, 2)
	require.Len(t, chunks[0][0].Tags["a"], 2)
	require.Equal(t, []string{long.String()}, chunks[1][0].Tags["a"])
	require.Len(t, filters.StatesOf([]string{"a", strings.Repeat("y", 256), "b"}, 0), 2)
}

func TestRootsAskThreeTags(t *testing.T) {
	chunks := filters.AboutRoots([]event.ID{{1}, {2}, {3}}, 2)
	require.Len(t, chunks, 2)
	require.Equal(t, []string{event.ID{3}.String()}, chunks[1][2].Tags["q"])
	require.Len(t, chunks[0], 3)
	require.Contains(t, chunks[0][1].Tags, "E")
}

func TestRepliesAskTwoTagsWithTheirKinds(t *testing.T) {
	chunks := filters.Replies([]event.ID{{1}, {2}, {3}}, 2)
	require.Len(t, chunks, 2)
	for i, values := range []string{
		fmt.Sprintf(`[%q,%q]`, event.ID{1}.String(), event.ID{2}.String()), fmt.Sprintf(`[%q]`, event.ID{3}.String()),
	} {
		require.Len(t, chunks[i], 2)
		require.JSONEq(t, `{"kinds":[1,5,7,1111,1985,9735],"#e":`+values+`}`, chunks[i][0].String())
		require.JSONEq(t, `{"kinds":[1,5,7,1111,1985,9735],"#q":`+values+`}`, chunks[i][1].String())
	}
}

func TestIDsAreChunked(t *testing.T) {
	fs := filters.IDs([]event.ID{{1}, {2}, {3}}, 2)
	require.Len(t, fs, 2)
	require.JSONEq(t, fmt.Sprintf(`{"ids":[%q,%q]}`, event.ID{1}.String(), event.ID{2}.String()), fs[0].String())
	require.JSONEq(t, fmt.Sprintf(`{"ids":[%q]}`, event.ID{3}.String()), fs[1].String())
}

func TestAnnouncementsByAuthorAndIdentifier(t *testing.T) {
	fs := filters.AnnouncementsBy([]event.PubKey{key(1), key(2), key(3)}, []string{"a", "b", "c"}, 2)
	require.Len(t, fs, 4, "every author with every identifier")
	require.JSONEq(t, fmt.Sprintf(`{"kinds":[30617],"authors":[%q,%q],"#d":["a","b"]}`, key(1).String(), key(2).String()), fs[0].String())
	require.JSONEq(t, fmt.Sprintf(`{"kinds":[30617],"authors":[%q],"#d":["c"]}`, key(3).String()), fs[3].String())
}

func TestDeletionsByAuthor(t *testing.T) {
	fs := filters.DeletionsBy([]event.PubKey{key(1), key(2), key(3)}, 2)
	require.Len(t, fs, 2)
	require.JSONEq(t, fmt.Sprintf(`{"kinds":[5,62],"authors":[%q]}`, key(3).String()), fs[1].String())
}

func TestAsLive(t *testing.T) {
	at := nostr.Timestamp(5)
	f := nostr.Filter{Kinds: []int{1}, Since: &at, Until: &at, Limit: 9}
	require.JSONEq(t, `{"kinds":[1],"limit":0}`, filters.AsLive(f).String())
	require.Equal(t, 9, f.Limit)
}

func key(n byte) event.PubKey { return event.PubKey{n} }

func repo(n byte, d string) event.Ref { return event.RepoRef(key(n), d) }
