package sync

import (
	"slices"
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
)

// forAnnouncements reports a filter for all announcements.
func forAnnouncements(f nostr.Filter) bool {
	return slices.Equal(f.Kinds, []int{event.KindAnnouncement}) && len(f.Authors) == 0 && len(f.Tags) == 0
}

// announces answers everything that relay one is asked, about announcements with so many of which so many are outside. It gives when they were
// asked for in full, and how often with since.
func (s *script) announces(d time.Duration, announcements, outside int) (full []time.Time, since int) {
	for end := s.now.Add(d); s.now.Before(end); {
		s.elapse(min(10*time.Minute, end.Sub(s.now)))
		for open := s.pending(one); len(open) > 0; open = s.pending(one) {
			b := open[0]
			ends := make([]relay.FilterEnd, len(b.Filters))
			r := relay.Settled{ID: s.conn(one), Batch: b.ID, At: s.now, Final: true, Filters: ends}
			for i, f := range b.Filters {
				ends[i].Done = true
				if !forAnnouncements(f) {
					continue
				}
				r.Announcements, r.Outside = announcements, outside
				if f.Since == nil {
					full = append(full, s.now)
				} else {
					since++
				}
			}
			delete(s.asked, b.ID)
			s.report(r)
		}
		s.mark(one)
	}
	return full, since
}

func TestARelayOfForeignAnnouncementsIsAskedForThemOnceAWeek(t *testing.T) {
	for _, tt := range []struct {
		name                   string
		announcements, outside int
		least, most            int // times in full, in fifteen days
	}{
		{"next to all are foreign", 20_000, 19_001, 2, 3},
		{"one in twenty is ours", 20_000, 19_000, 14, 16},
		{"few", 10_000, 10_000, 14, 16},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(t)
			s.picture(anns(announce("alice", "tool", t0, nil, one)))
			s.up(one)
			full, _ := s.announces(15*24*time.Hour, tt.announcements, tt.outside)
			require.GreaterOrEqual(t, len(full), tt.least)
			require.LessOrEqual(t, len(full), tt.most)
		})
	}
}

func TestASparseRelayIsAskedForWhatItAnnouncedInAnAbsence(t *testing.T) {
	for name, away := range map[string]time.Duration{"short": time.Minute, "long": 48 * time.Hour} {
		for _, restart := range []bool{false, true} {
			s := newScript(t)
			s.picture(anns(announce("alice", "tool", t0, nil, one)))
			s.up(one)
			full, _ := s.announces(time.Hour, 20_000, 20_000)
			require.Len(t, full, 1)
			s.down(one)
			s.elapse(away)
			if restart {
				s.restart()
				s.picture(anns(announce("alice", "tool", t0, nil, one)))
			}
			s.up(one)
			full, since := s.announces(time.Hour, 10, 10)
			require.Empty(t, full, name)
			require.Positive(t, since, "%s, %t", name, restart)
			require.Equal(t, Connected, s.phase(one))
		}
	}
}

func TestTheVerdictOnAnnouncementsIsTakenBack(t *testing.T) {
	for name, change := range map[string]func(*script){
		"the operator asks": func(s *script) {
			require.NoError(t, s.e.Order(Order{Verb: SyncNow, URL: one}, s.now))
			s.take()
		},
		"it shows what came too late": func(s *script) { s.report(relay.Evidence{ID: s.conn(one), At: s.now, Late: true}) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			s.picture(anns(announce("alice", "tool", t0, nil, one)))
			s.up(one)
			full, _ := s.announces(2*time.Hour, 20_000, 20_000)
			require.Len(t, full, 1)
			change(s)
			full, _ = s.announces(time.Hour, 20_000, 20_000)
			require.Len(t, full, 1)
		})
	}
}
