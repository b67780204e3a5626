package selfsub

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
)

// idsOf collects the ids that a batch asks for.
func idsOf(x relay.Batch) (out []string) {
	for _, f := range x.Filters {
		out = append(out, f.IDs...)
	}
	return out
}

// A survey that finds a loss has everything else looked for by id, and tells of all of it at the end, behind what was shown: the event that
// has taken the place of another is known by then.
func TestLossHasTheRestLookedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for i := range 4000 {
			b.stored = append(b.stored, event.ID{1, byte(i), byte(i >> 8)})
		}
		gone, reaction := event.ID{9}, b.stored[3500]
		b.stored = append(b.stored, gone)
		b.ask([]event.Ref{tool}, event.ID{7})
		b.answerWithout(true, []event.ID{gone}, signed(event.KindState, "newer"))
		b.answerWithout(true, []event.ID{gone})
		require.Empty(t, b.lost)
		require.Len(t, idsOf(b.next()), restStep)
		require.NotContains(t, idsOf(b.next()), gone.String())
		require.True(t, b.next().Compare)
		b.answer(false)
		b.pass(retryPicture)
		require.Len(t, idsOf(b.next()), restStep, "again")
		b.answer(true)
		require.Len(t, idsOf(b.next()), 4000-restStep)
		require.Zero(t, b.answers())
		b.answerWithout(true, []event.ID{reaction})
		require.Equal(t, [][]event.ID{{reaction}, {gone}}, b.lost)
		require.Equal(t, 1, b.shownBy, "told behind it")
		require.Equal(t, 1, b.last().Lost)
		require.Equal(t, 1, b.last().LostElsewhere)

		b.ask([]event.Ref{tool})
		b.answer(true)
		require.Equal(t, 2, b.answers(), "without a loss the rest is not looked for")
	})
}

// What could not be looked for to the end is looked for with the next survey.
func TestRestThatWasNotLookedForIsOwed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.stored = []event.ID{{1}, {2}}
		b.ask([]event.Ref{tool})
		b.answerWithout(true, []event.ID{{1}})
		for range surveyTries {
			b.answer(false)
			b.pass(retryPicture)
		}
		require.Equal(t, 1, b.answers())
		require.Equal(t, 1, b.last().Lost)
		b.ask([]event.Ref{tool})
		b.answer(true)
		require.Len(t, idsOf(b.next()), 2)
		b.answerWithout(true, []event.ID{{2}})
		require.Equal(t, 2, b.answers())
		require.Equal(t, 1, b.last().LostElsewhere)
	})
}
