package sync

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

// answer ends the survey that is open.
func (s *script) answer() {
	s.facts(selfsub.Facts{Picture: s.pict, Answered: true})
}

func TestHistoryWaitsForTheSurveyAndLiveDoesNot(t *testing.T) {
	s := newScript(t)
	s.away = true
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a), root("issue", a.Ref))
	require.Equal(t, []AskOwn{{Refs: []event.Ref{a.Ref}, Roots: []event.ID{id("issue")}}}, s.own)
	s.up(one)
	require.Equal(t, map[string]int64{}, tagValues(s.pending(one), "a"))
	require.Contains(t, kinds(s.pending(one)), event.KindAnnouncement, "announcements are nobody's share")
	live := map[string]bool{}
	for _, sub := range s.live[s.conn(one)][0].Open {
		for _, f := range sub.All() {
			for _, v := range f.Tags["a"] {
				live[v] = true
			}
		}
	}
	require.True(t, live[a.Ref.String()])
	s.settleAll(one)
	s.elapse(time.Hour)
	require.Equal(t, Syncing, s.phase(one))
	require.Nil(t, s.e.relays[one].look, "nothing is looked around before it is there")
	require.Len(t, s.e.relays[one].bare, 1)
	require.Equal(t, 1, s.e.Snapshot(s.now).Relays[0].Unasked)
	require.Equal(t, "waiting until the own relay is read", s.e.Snapshot(s.now).Relays[0].Doing)

	s.facts(selfsub.Facts{Picture: s.pict, Roots: []selfsub.Root{root("old", a.Ref)}, Answered: true})
	open := s.pending(one)
	require.Equal(t, map[string]int64{a.Ref.String(): 0}, tagValues(open, "a"))
	require.Equal(t, map[string]int64{id("issue").String(): 0, id("old").String(): 0}, tagValues(open, "E"))
	require.Equal(t, map[string]int64{"tool": 0}, tagValues(open, "d"))
	s.settleAll(one)
	require.Equal(t, Connected, s.phase(one))
	require.Len(t, s.own, 1)
}

func TestSurveyWaitsForTheFirstPicture(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.facts(selfsub.Facts{Announcements: anns(a), Picture: 1})
	s.up(one)
	require.Empty(t, s.own)
	require.Empty(t, tagValues(s.pending(one), "a"))
	s.pict = 1
	s.facts(selfsub.Facts{Picture: 1, Loaded: true})
	require.Len(t, s.own, 1)
	require.NotEmpty(t, tagValues(s.pending(one), "a"))
}

func TestConnectionsComeAndGoDuringASurvey(t *testing.T) {
	s := newScript(t)
	s.away = true
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.up(one)
	s.settleAll(one)
	s.down(one)
	s.elapse(time.Hour)
	s.up(one)
	s.settleAll(one)
	require.Equal(t, Syncing, s.phase(one))
	s.answer()
	require.NotEmpty(t, tagValues(s.pending(one), "a"))
	s.settleAll(one)
	require.Equal(t, Connected, s.phase(one))
}

func TestSurveyedIsStoredBehindTheRowsOfTheSurvey(t *testing.T) {
	s := newScript(t)
	s.away = true
	a := announce("alice", "tool", t0, nil, one)
	var rests []Persist
	s.watch = func(x Effect) {
		if p, ok := x.(Persist); ok {
			for _, row := range p.Rows {
				if r, ok := row.(SaveRepo); ok && r.Surveyed {
					rests = append(rests, p)
				}
			}
		}
	}
	s.picture(anns(a))
	require.False(t, s.state.repos[a.Ref].Surveyed)

	s.restart()
	s.picture(anns(a))
	require.Len(t, s.own, 1, "a survey that was cut off begins again")
	s.facts(selfsub.Facts{Picture: s.pict, Answered: true, Rests: 7})
	require.True(t, s.state.repos[a.Ref].Surveyed)
	require.Len(t, rests, 1)
	require.EqualValues(t, 7, rests[0].Rests)

	s.restart()
	s.up(one)
	require.NotEmpty(t, tagValues(s.pending(one), "a"), "what was surveyed waits for nothing")
	s.picture(anns(a))
	require.Len(t, s.own, 1, "it is compared, for which nothing waits")
	s.settleAll(one)
	require.Equal(t, Connected, s.phase(one))

	row := s.state.repos[a.Ref]
	row.Coordinates = nil // the repo has more than when it was surveyed
	s.state.repos[a.Ref] = row
	s.restart()
	s.picture(anns(a))
	require.Len(t, s.own, 1)
}

func TestNewCoordinatesAreSurveyed(t *testing.T) {
	s := newScript(t)
	a := announce("alice", "tool", t0, nil, one)
	s.picture(anns(a))
	s.sync(one)
	s.away = true
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(time.Second), []string{"bob"}, one)), Picture: 1})
	bob := event.RepoRef(key("bob"), "tool")
	require.Equal(t, AskOwn{Refs: []event.Ref{a.Ref, bob}}, AskOwn{Refs: sortedRefs(s.own[1].Refs)})
	require.False(t, s.state.repos[a.Ref].Surveyed)
	require.Empty(t, tagValues(s.pending(one), "a"))
	require.Equal(t, Connected, s.phase(one))

	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(2*time.Second), []string{"bob", "carol"}, one)), Picture: 1})
	require.Len(t, s.own, 2, "one at a time")
	s.answer()
	require.Len(t, s.own, 3)
	require.Len(t, s.own[2].Refs, 3)
	require.Empty(t, tagValues(s.pending(one), "a"), "the answer is not about the repo as it is now")
	s.answer()
	require.Len(t, tagValues(s.pending(one), "a"), 2)
	s.settleAll(one)
	require.True(t, s.state.repos[a.Ref].Surveyed)
}

func TestRelayThatIsAskedForStatesWaitsToo(t *testing.T) {
	s := newScript(t, func(c *Config) { c.Pinned = []relayurl.URL{two} })
	s.away = true
	alice, bob := announce("alice", "tool", t0, []string{"bob"}, one), announce("bob", "tool", t0, nil, one)
	s.picture(anns(alice, bob))
	require.Len(t, s.own[0].Refs, 2, "repos share a coordinate")
	s.up(two)
	s.settleAll(two)
	s.elapse(time.Minute)
	require.Equal(t, Syncing, s.phase(two))
	s.answer()
	require.NotEmpty(t, tagValues(s.pending(two), "d"))
	s.settleAll(two)
	require.Equal(t, Connected, s.phase(two))
}

func TestSurveyGoesInPortions(t *testing.T) {
	s := newScript(t)
	s.away = true
	var all []*nip34.Announcement
	for i := range 220 {
		all = append(all, announce("alice", fmt.Sprintf("tool-%03d", i), t0, nil, one))
	}
	s.picture(all)
	s.up(one)
	s.settleAll(one)
	asked := map[event.Ref]bool{}
	for i, n := range []int{100, 100, 20} {
		require.Len(t, s.own, i+1)
		require.Len(t, s.own[i].Refs, n)
		for _, ref := range s.own[i].Refs {
			asked[ref] = true
		}
		s.answer()
		require.Equal(t, len(asked), countAsked(s))
	}
	require.Len(t, asked, 220)
	require.Len(t, s.own, 3)
	s.settleAll(one)
	require.Equal(t, Connected, s.phase(one))
}

// countAsked counts the coordinates that were asked of the first relay, historically.
func countAsked(s *script) int {
	s.settleAll(one)
	n := 0
	for _, w := range s.e.relays[one].wants {
		if !w.coords.confirmed.Incomplete(1) {
			n++
		}
	}
	return n
}

func TestManyRootsAreAPortionOfTheirOwn(t *testing.T) {
	s := newScript(t, func(c *Config) { c.RootsPerRepo = 2 * surveyValues })
	s.away = true
	a, b := announce("alice", "large", t0, nil, one), announce("bob", "small", t0, nil, one)
	var roots []selfsub.Root
	for i := range surveyValues {
		roots = append(roots, root(fmt.Sprint(i), a.Ref))
	}
	s.picture(anns(a, b), roots...)
	require.Len(t, s.own[0].Refs, 1)
	s.answer()
	require.Len(t, s.own, 2)
	s.answer()
	require.ElementsMatch(t, []event.Ref{a.Ref, b.Ref}, append(s.own[0].Refs, s.own[1].Refs...))
	require.Equal(t, surveyValues, len(s.own[0].Roots)+len(s.own[1].Roots))
}

func TestRepoThatIsGoneIsNotSurveyed(t *testing.T) {
	s := newScript(t)
	s.away = true
	a, b := announce("alice", "tool", t0, nil, one), announce("bob", "other", t0, nil, two)
	s.picture(anns(a))
	s.facts(selfsub.Facts{Announcements: anns(b), Picture: 1})
	s.e.unwant(b.Ref)
	s.e.unwant(a.Ref)
	s.answer()
	require.Len(t, s.own, 1, "what was to come is gone, too")
	require.Empty(t, s.state.repos)
	for _, u := range s.e.sortedRelays() {
		require.Empty(t, u.unread)
	}
	s.facts(selfsub.Facts{Announcements: anns(announce("alice", "tool", t0.Add(time.Second), nil, one)), Picture: 1})
	require.Len(t, s.own, 2)
}

// An own relay whose connection is lost again and again brings a picture in the middle of each survey; what was surveyed counts all the same.
func TestPictureInTheMiddleOfASurveyDoesNotTakeItsAnswerAway(t *testing.T) {
	s := newScript(t)
	s.away = true
	a := anns(announce("alice", "tool", t0, nil, one))
	s.picture(a)
	s.up(one)
	s.settleAll(one)
	require.Empty(t, tagValues(s.pending(one), "a"))
	s.picture(a)
	s.facts(selfsub.Facts{Picture: s.pict, Answered: true})
	require.True(t, s.e.repos[a[0].Ref].surveyed)
	require.NotEmpty(t, tagValues(s.pending(one), "a"), "its history is asked for")
	require.Len(t, s.own, 2, "and it is compared once more")
}
