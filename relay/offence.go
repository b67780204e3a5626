package relay

import "time"

// Offended says that a relay sent what no honest relay sends (DESIGN §11). Only our own checks give one, never an answer
// of the own relay.
type Offended struct {
	ID   ConnID
	At   time.Time
	Kind string // one of the Offence constants; a metric label
}

// Kinds of offences.
const (
	OffenceSignature = "bad_signature"
)

// Conn is the generation that the report belongs to.
func (r Offended) Conn() ConnID { return r.ID }
