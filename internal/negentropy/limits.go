package negentropy

import (
	"errors"
	"fmt"
	"math"
)

// Version is the first byte of every message: 0x60 and the protocol's version, 1.
const Version byte = 0x61

// MinFrame is the smallest frame limit in bytes; a smaller one could not hold what moves a reconciliation on.
const MinFrame = 4096

// Limits bound one reconciliation. A zero means that there is no limit.
type Limits struct {
	// Frame is the longest message that we write, in bytes; the wire carries two hex digits for each. What is less
	// than MinFrame counts as MinFrame. What is asked for in one message is held to about 16 times as much.
	Frame int
	// Rounds is how many messages we write.
	Rounds int
	// Bytes is the length of all messages, ours and the peer's.
	Bytes int
	// Needs is how many ids a peer may make us want.
	Needs int
}

// DefaultLimits fit in 131,072 characters of a websocket message, strfry's default: 60,000 bytes are 120,000 hex
// digits. A million ids, of which we lack one in a hundred, take some 65 rounds and 4 MB from a peer with frames of
// 60,000 bytes too; if we lack all of them, 540 rounds and 32 MB.
func DefaultLimits() Limits {
	return Limits{Frame: 60_000, Rounds: 5_000, Bytes: 256 << 20, Needs: 4_000_000}
}

// frame gives the limit in force.
func (l Limits) frame() int {
	if l.Frame <= 0 {
		return math.MaxInt
	}
	return max(l.Frame, MinFrame)
}

var (
	// ErrMalformed is wrapped by everything that says what is wrong with a message.
	ErrMalformed = errors.New("malformed negentropy message")
	// ErrRounds says that Limits.Rounds were not enough.
	ErrRounds = errors.New("negentropy: too many rounds")
	// ErrBytes says that Limits.Bytes were not enough.
	ErrBytes = errors.New("negentropy: too many bytes")
	// ErrNeeds says that the peer listed more unknown ids than Limits.Needs.
	ErrNeeds = errors.New("negentropy: too many ids")
	// ErrOver says that no answer is awaited: Start was not called, or the reconciliation has ended.
	ErrOver = errors.New("negentropy: no answer is awaited")
)

// ErrVersion says that the peer speaks another version of the protocol, which it names.
type ErrVersion struct {
	Got byte // the highest version that the peer speaks, 0x60 to 0x6f
}

func (e ErrVersion) Error() string {
	return fmt.Sprintf("negentropy: the peer speaks version %#x, not %#x", e.Got, Version)
}

func malformed(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }
