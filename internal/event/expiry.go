package event

import (
	"strconv"
	"time"
)

// Expired reports whether the time in the first `expiration` tag (NIP-40, seconds since 1970) has come. A value that is
// no number is no expiration.
func (e *Event) Expired(now time.Time) bool {
	for _, tag := range e.Tags {
		if len(tag) < 2 || tag[0] != "expiration" {
			continue
		}
		at, err := strconv.ParseInt(tag[1], 10, 64)
		return err == nil && at <= now.Unix()
	}
	return false
}

// Protected reports a `-` tag (NIP-70): only the author may publish the event.
func (e *Event) Protected() bool {
	for _, tag := range e.Tags {
		if len(tag) > 0 && tag[0] == "-" {
			return true
		}
	}
	return false
}
