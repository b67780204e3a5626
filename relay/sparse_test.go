package relay

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSettledSaysHowManyAnnouncementsAreOutOfScope: those that are known to be count as well as new ones.
func TestSettledSaysHowManyAnnouncementsAreOutOfScope(t *testing.T) {
	b := newBench(t)
	told := func(batch BatchID) (announcements, outside int) {
		b.mark(1, batch, true)
		for _, r := range b.reports {
			if s, ok := r.(Settled); ok && s.Batch == batch {
				announcements, outside = announcements+s.Announcements, outside+s.Outside
			}
		}
		return announcements, outside
	}
	ours, theirs, more := repo("ours", 1, "x", benchStart), foreign("theirs", 10, "y", benchStart), foreign("more", 11, "z", benchStart)
	b.from(1, 1, ours, theirs, ev("note", 1, 1, benchStart))
	b.ok(ours)
	announcements, outside := told(1)
	require.Equal(t, []int{2, 1}, []int{announcements, outside})

	b.from(1, 2, ours, theirs, more)
	announcements, outside = told(2)
	require.Equal(t, []int{3, 2}, []int{announcements, outside})
}
