package health

import "time"

// State is what is remembered of a relay's failures, across restarts. The zero value is a relay that has
// never been dialled.
type State struct {
	Failures     int       `json:"failures,omitempty"` // in a row
	Cause        Cause     `json:"cause,omitempty"`    // of the last failure
	Reason       string    `json:"reason,omitempty"`   // of the last failure, for people
	FailingSince time.Time `json:"failing_since,omitzero"`
	LastFailure  time.Time `json:"last_failure,omitzero"`
	UpSince      time.Time `json:"up_since,omitzero"` // of the open connection, zero when there is none
	NotBefore    time.Time `json:"not_before,omitzero"`
	Cooldowns    int       `json:"cooldowns,omitempty"` // rate-limit signals in a row
}
