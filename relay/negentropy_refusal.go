package relay

import (
	"regexp"
	"strings"
)

// refusal is what a relay's answer to NEG-OPEN or NEG-MSG means when it is no NEG-MSG (RELAYS §6.2, §7.2).
type refusal uint8

const (
	refusesNothing refusal = iota // a NOTICE about something else
	refusesFilter                 // this one, as far as one can tell
	refusesAll                    // it does not speak NIP-77, or not with us
	refusesSize                   // too many events match
	refusesPace                   // later
	refusesSession                // it is over, by its time or otherwise
)

// unspoken are texts, in lower case, of relays that do not know NIP-77 or have switched it off.
var unspoken = []string{
	"negentropy disabled", "disabled", "not supported", "unsupported", "not implemented",
	"bad msg", "bad message", "unknown cmd", "unknown command", "unknown message", "unknown envelope", "unknown type",
	"could not parse", "unparseable", "invalid enum value", "message type", "command unrecognized", "command unrecognised",
	"does not match any of the allowed types",
	"query missing elements", "payload not a string", // strfry of another protocol: the filter is not where it looks for it
}

var moreThan = regexp.MustCompile(`\(\d+ > \d+\)`)

func readUnspoken(text string) bool {
	for _, s := range unspoken {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// readNegErr reads a NEG-ERR, or a CLOSED for a reconciliation. A stated cap says that too much was asked for.
func readNegErr(text string, limit int64) refusal {
	text = strings.ToLower(text)
	prefix := prefixOf(text)
	_, rate := noticeHints(text)
	switch {
	case limit > 0, strings.Contains(text, "too big"), strings.Contains(text, "too many query results"),
		strings.Contains(text, "too many results"), strings.Contains(text, "too many records"), moreThan.MatchString(text):
		return refusesSize
	case prefix == "rate-limited", rate, strings.Contains(text, "too many concurrent"):
		return refusesPace
	case prefix == "closed", text == "closed", strings.Contains(text, "unknown subscription"):
		return refusesSession
	case readUnspoken(text):
		return refusesAll
	}
	return refusesFilter
}

// readNegNotice reads a NOTICE while an answer to NEG-OPEN is due. It names no subscription, so only what is known to be said
// about NEG-OPEN counts; for the rest there is a deadline.
func readNegNotice(text string) refusal {
	text = strings.TrimPrefix(strings.ToLower(text), "error: ")
	tooMany, rate := noticeHints(text)
	switch {
	case strings.Contains(text, "too many concurrent neg"), rate:
		return refusesPace
	case tooMany:
		return refusesNothing
	case readUnspoken(text):
		return refusesAll
	case strings.Contains(text, "negentropy"), strings.Contains(text, "neg-open"):
		return refusesFilter // strfry says so of any fault of the filter
	}
	return refusesNothing
}
