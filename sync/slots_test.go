package sync

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/filters"
)

const day = 24 * time.Hour

// Standings as they are found, to be varied. The moment of the decision is t0.
func held(d time.Duration) standing { return standing{owners: 1, reached: true, held: t0.Add(-d)} }

func (s standing) with(owners, gave int) standing {
	s.owners, s.gave = owners, gave
	if gave > 0 {
		s.gaveAt = t0.Add(-time.Hour)
	}
	return s
}

func (s standing) idle(d time.Duration) standing { s.gaveAt = t0.Add(-d); return s }

func (s standing) ever() standing { s.reached = true; return s }

func (s standing) alone(owner filters.Value) standing {
	s.owners, s.sole, s.counted = 1, owner, true
	return s
}

// failing cannot be reached for so long, and is dialled again after next.
func (s standing) failingFor(d, next time.Duration) standing {
	s.failing, s.due = t0.Add(-d), t0.Add(next)
	return s
}

var rules = slotRules{limit: 3, perOwner: 1, deadAfter: day}

func TestWhoMakesWayForWhom(t *testing.T) {
	fresh := standing{}
	for _, tt := range []struct {
		name          string
		holder, other standing
		want          bool
	}{
		{"more owners win from one that gave nothing in its day", held(day).with(2, 0), fresh.with(3, 0), true},
		{"as many do not", held(day).with(2, 0), fresh.with(2, 0), false},
		{"its day is not over", held(day-1).with(2, 0), fresh.with(1000, 0), false},
		{"proof wins from none, whoever names it", held(day).with(1000, 0), fresh.with(1, 1), true},
		{"who never answered does not win from who answers", held(day).with(1, 0), fresh.with(1000, 0).failingFor(time.Hour, 0), false},
		{"who gives keeps its place", held(90*day).with(1, 1), fresh.with(1000, 0), false},
		{"who gives keeps its place, whatever the other one gave", held(90*day).with(1, 1), fresh.with(1000, 1000), false},
		{"idle for a month", held(90*day).with(1, 1).idle(30 * day), fresh.with(2, 0), true},
		{"idle for a month, as many owners", held(90*day).with(2, 1).idle(30 * day), fresh.with(2, 9), false},
		{"idle for a month, the other one had nothing", held(90*day).with(1, 1).idle(30 * day), fresh.with(2, 0).ever(), false},
		{"idle for a month, but here for an hour", held(time.Hour).with(1, 1).idle(30 * day), fresh.with(2, 0), false},
		{"dead", held(90*day).with(1000, 1000).failingFor(day, time.Hour), fresh.with(1, 0), true},
		{"nearly dead", held(90*day).with(1000, 1000).failingFor(day-1, time.Hour), fresh.with(1001, 0), false},
		{"dead, but dialled now", held(90*day).with(1, 1).failingFor(2*day, 0), fresh.with(1, 0), false},
		{"never answered, an hour long", standing{held: t0.Add(-time.Hour)}.with(9, 0).failingFor(time.Hour, time.Minute), fresh.with(1, 0), true},
		{"never answered, not yet an hour", standing{held: t0.Add(-time.Hour)}.with(9, 0).failingFor(time.Hour-1, time.Minute), fresh.with(99, 0), false},
		{"answered before, away for an hour", held(2*day).with(1, 1).failingFor(time.Hour, time.Minute), fresh.with(99, 0), false},
		{"dead, and so is the other one, whose dial is due", held(day).failingFor(2*day, time.Hour), fresh.with(1, 0).failingFor(2*day, 0), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, rules.makesWay(&tt.holder, &tt.other, t0))
		})
	}
	dropped := held(90*day).with(5, 5)
	dropped.dropped, dropped.due = true, t0.Add(time.Hour)
	require.True(t, rules.makesWay(&dropped, &fresh, t0), "dropped for its offences")
}

func TestWhoHasAPlace(t *testing.T) {
	fresh := standing{}
	barred := func(s standing) standing { s.barred = true; return s }
	for _, tt := range []struct {
		name                 string
		all                  []standing
		take, leave, crowded []int
		needs                int
	}{
		{name: "room for all", all: []standing{fresh.with(1, 0), fresh.with(1, 0)}, take: []int{0, 1}},
		{
			name: "by owners, then by what they gave, then the oldest", take: []int{4, 3, 0},
			all: []standing{fresh.with(9, 0), fresh.with(1, 0), fresh.with(8, 0), fresh.with(1, 4), fresh.with(1, 5)},
		},
		{
			name: "the untried before those in vain, and these before those that never answered", take: []int{2, 1, 0},
			all: []standing{fresh.with(7, 0).failingFor(time.Hour, 0), fresh.with(8, 0).ever(), fresh.with(1, 0)},
		},
		{name: "not before it is due", all: []standing{fresh.with(1, 0).failingFor(day, 1)}},
		{name: "not what would not be dialled", all: []standing{barred(fresh.with(1, 0)), barred(held(day))}, leave: []int{1}},
		{
			name: "the weakest makes way", take: []int{3}, leave: []int{1}, needs: 2,
			all: []standing{held(9*day).with(2, 0), held(9*day).with(1, 0), held(9*day).with(3, 0), fresh.with(3, 0), fresh.with(2, 0)},
		},
		{
			name: "two win from two", take: []int{3, 4}, leave: []int{1, 0}, needs: 2,
			all: []standing{held(9*day).with(2, 0), held(9*day).with(1, 0), held(9*day).with(3, 0), fresh.with(9, 0), fresh.with(8, 0)},
		},
		{
			name: "every place is held by one that gives",
			all:  []standing{held(9*day).with(1, 1), held(9*day).with(1, 1), held(9*day).with(1, 1), fresh.with(999, 0), fresh.with(1, 999)},
		},
		{
			name: "one at a time that gave something makes way for one that nobody knows", take: []int{3}, leave: []int{2}, needs: 2,
			all: []standing{
				held(90*day).with(1, 1).idle(40 * day), held(90*day).with(1, 1).idle(40 * day), held(90*day).with(1, 1).idle(40 * day),
				fresh.with(20, 0), fresh.with(20, 0),
			},
		},
		{
			name: "and none while one has its first day", needs: 2,
			all: []standing{held(90*day).with(1, 1).idle(40 * day), held(90*day).with(1, 1).idle(40 * day), held(time.Hour).with(20, 0), fresh.with(30, 0)},
		},
		{
			name: "a dead one gives its place to the best", take: []int{4}, leave: []int{0},
			all: []standing{held(90*day).with(9, 9).failingFor(day, time.Hour), held(day).with(1, 1), held(day).with(1, 1), fresh.with(1, 0), fresh.with(2, 0)},
		},
		{
			name: "a smaller limit: the dead go first, then those with the least to show", leave: []int{1, 0, 4}, needs: 4,
			all: []standing{
				held(day).with(1, 0), held(day).with(9, 9).failingFor(day, time.Hour), held(day).with(1, 2), held(time.Hour).with(3, 0), held(90*day).with(2, 0), held(day).with(1, 1),
			},
		},
		{
			name: "the share of one that makes way is free at once", take: []int{4, 3}, leave: []int{0, 1}, crowded: []int{5}, needs: 2,
			all: []standing{
				held(9 * day).alone(7), held(9*day).with(2, 0), held(9*day).with(9, 9),
				fresh.with(1, 9).alone(7), fresh.with(2, 5), fresh.with(1, 5).alone(7), fresh.with(1, 4),
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i := range tt.all {
				tt.all[i].learned = uint64(i)
			}
			v := rules.decide(tt.all, t0)
			require.Equal(t, tt.take, v.take, "take")
			require.ElementsMatch(t, tt.leave, v.leave, "leave")
			require.Equal(t, tt.crowded, v.crowded, "crowded")
			require.Equal(t, tt.needs, v.needs, "needs")
		})
	}
}

func TestAnOwnerOpensSoManyRelaysAlone(t *testing.T) {
	fresh := standing{}
	var all []standing
	for range 3 {
		all = append(all, fresh.alone(7), fresh.alone(8), fresh.with(2, 0))
	}
	for i := range all {
		all[i].learned = uint64(i)
	}
	p := slotRules{limit: 100, perOwner: 2, deadAfter: day}
	v := p.decide(all, t0)
	require.Equal(t, []int{2, 5, 8, 0, 1, 3, 4}, v.take)
	require.Equal(t, []int{6, 7}, v.crowded, "who was learned last")

	all[0].held, all[3].held, all[6].held = t0.Add(-day), t0.Add(-day), t0.Add(-day) // one of the other owner's has gone
	all[3].gave, all[6].gave = 1, 1
	v = p.decide(all, t0)
	require.Equal(t, []int{0}, v.leave, "it gave nothing")
}

// Invented relays, each named by many invented owners, take what nobody proven needs, and no more.
func TestInventedRelaysPushOutNobodyWhoGave(t *testing.T) {
	p := slotRules{limit: 100, perOwner: 20, deadAfter: day}
	var all []standing
	for range 100 {
		all = append(all, held(90*day).with(1, 1))
	}
	for range 2_000 {
		all = append(all, standing{owners: 20})
	}
	for i := range all {
		all[i].learned = uint64(i)
	}
	now := t0
	out := map[int]bool{}
	for range 45 * 24 { // six weeks, an hour at a time; the true relays give nothing more
		v := p.decide(all, now)
		for _, i := range v.leave {
			all[i].held = time.Time{}
			if i < 100 {
				out[i] = true
			}
		}
		for _, i := range v.take {
			all[i].held = now
			delete(out, i)
			if i >= 100 { // nobody answers
				all[i].failing, all[i].due = now, now.Add(time.Hour)
			}
		}
		now = now.Add(time.Hour)
		for i := range all[100:] {
			if s := &all[100+i]; !s.failing.IsZero() && !s.due.After(now) {
				s.due = now.Add(30 * time.Minute)
				if now.Sub(s.failing) > day {
					s.due = now.Add(day)
				}
			}
		}
		require.LessOrEqual(t, len(out), 1, "one trial at a time")
	}
}
