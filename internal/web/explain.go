package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"
)

// Explanation is what is known of one event or one repository: the answer of /api/v1/explain.
type Explanation struct {
	Asked string     `json:"asked"` // id in hex, or coordinate
	Known bool       `json:"known"`
	Words []string   `json:"words"` // the answer in sentences; may hold hostile text
	Event *EventView `json:"event,omitempty"`
	Repo  *RepoView  `json:"repo,omitempty"`
}

// EventView is the ledger's row of an event.
type EventView struct {
	ID          string    `json:"id"`
	Kind        int       `json:"kind"`
	CreatedAt   time.Time `json:"created_at"` // as the author claims
	PubKey      string    `json:"pubkey"`
	Disposition string    `json:"disposition"` // stored, held, superseded, tombstone, rejected, own-limit, irrelevant or pending
	Reason      string    `json:"reason,omitempty"`
	Deletion    string    `json:"deletion,omitempty"` // its author's, of a tombstone
	Source      string    `json:"source,omitempty"`   // who brought it first
	FirstSeen   time.Time `json:"first_seen,omitzero"`
	Updated     time.Time `json:"updated,omitzero"`
	Offers      int       `json:"offers,omitempty"`  // how often a refused event was offered again
	OfferAt     time.Time `json:"offer_at,omitzero"` // not known any more from then on, so that it is fetched and offered again
	Waiting     *Waiting  `json:"waiting,omitempty"`
}

// Waiting is why an event is kept on disk.
type Waiting struct {
	Cause string    `json:"cause"`
	Since time.Time `json:"since,omitzero"`
	Due   time.Time `json:"due,omitzero"`
	Tries int       `json:"tries"`
	For   []string  `json:"for"` // ids and coordinates, one of which would lift it
}

// RepoView is what is known of a repository.
type RepoView struct {
	Coordinate   string      `json:"coordinate"`
	Announcement string      `json:"announcement"` // id
	Served       bool        `json:"served"`       // by the own relay
	Surveyed     bool        `json:"surveyed"`     // what the own relay holds of it is known
	Coordinates  []string    `json:"coordinates"`  // of its maintainers
	Roots        int         `json:"roots"`
	Lacks        int         `json:"lacks"` // events that its conversations name and no relay has shown
	Relays       []RepoRelay `json:"relays"`
}

// RepoRelay is how far a repository is asked at one relay.
type RepoRelay struct {
	URL         string `json:"url"`
	States      bool   `json:"states"`
	Coordinates int    `json:"coordinates_asked"`
	Roots       int    `json:"roots_asked"`
	Around      bool   `json:"around"` // replies to replies, deletions and ancestors
}

// ErrMalformed is wrapped by Options.Explain when what was asked for is neither an event nor a repository.
var ErrMalformed = errors.New("malformed")

// explainTimeout bounds a look into the database.
const explainTimeout = 10 * time.Second

func (v *views) explain(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), explainTimeout)
	defer cancel()
	answer, err := v.Explain(ctx, r.URL.Query().Get("id"))
	switch {
	case errors.Is(err, ErrMalformed):
		v.fail(w, http.StatusBadRequest, err)
	case err != nil:
		v.Log.Warn("explain", zap.Error(err))
		v.fail(w, http.StatusServiceUnavailable, fmt.Errorf("the database does not answer: %w", err))
	default:
		answer.Words = notNull(answer.Words)
		v.json(w, http.StatusOK, answer)
	}
}

type errorAnswer struct {
	Error string `json:"error"`
}

func (v *views) fail(w http.ResponseWriter, code int, err error) {
	v.json(w, code, errorAnswer{Error: long(err.Error())})
}
