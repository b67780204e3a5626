package selfsub

import (
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/relay"
)

// Facts is one batch of what the own relay said, in the order said within each field.
type Facts struct {
	At            time.Time
	Announcements []*nip34.Announcement
	Roots         []Root
	// Picture numbers the reading of the whole that these facts belong to, from 1; live facts carry the number of
	// the last one begun.
	Picture uint64
	// Loaded says that picture number Picture is complete with this batch.
	Loaded bool
	// Steady says with Loaded that the connection has stood since the picture before.
	Steady bool
	// Answered says that the last Ask is complete with this batch, as far as the own relay answers at all.
	Answered bool
	// Lost is how many events the answer has found missing that the own relay had.
	Lost int
	// LostElsewhere is how many are missing of which nobody knows the repo.
	LostElsewhere int
	// Rests is the last row of the ledger that an answer rests on.
	Rests relay.Seq
	// Up says whether the own relay could be read when this batch was made.
	Up bool
}

// Root is what the engine needs of a root event.
type Root struct {
	ID        event.ID
	CreatedAt int64
	Refs      event.References
}
