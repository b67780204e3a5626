package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// request is one message of a client, with the fields that its label needs.
type request struct {
	label   string // EVENT, REQ, CLOSE, AUTH, NEG-OPEN, NEG-MSG, NEG-CLOSE, COUNT
	sub     string
	raw     json.RawMessage // the event of EVENT and AUTH
	filters []nostr.Filter  // REQ: at least one; NEG-OPEN: exactly one
	neg     string          // hex message of NEG-OPEN and NEG-MSG
}

// requestError is what a client is told about a message. sub is empty when the message named none that can be used.
type requestError struct {
	sub    string
	reason string
}

func (e *requestError) Error() string { return e.reason }

// parseRequest reads a client's message. The error is a *requestError; the request's label is set as far as it was
// read.
func parseRequest(msg []byte, lim Limits) (request, error) {
	var parts []json.RawMessage
	if err := json.Unmarshal(msg, &parts); err != nil || len(parts) == 0 {
		return request{}, &requestError{reason: "invalid: a message is a JSON array that begins with its label"}
	}
	var r request
	if json.Unmarshal(parts[0], &r.label) != nil {
		return request{}, &requestError{reason: "invalid: the label is no string"}
	}
	args := parts[1:]
	switch r.label {
	case "EVENT", "AUTH":
		if len(args) != 1 {
			return r, &requestError{reason: "invalid: " + r.label + " has one argument"}
		}
		r.raw = args[0]
		return r, nil
	case "REQ", "CLOSE", "COUNT", "NEG-OPEN", "NEG-MSG", "NEG-CLOSE":
	default:
		return r, &requestError{reason: "unsupported: unknown label " + quoted(r.label)}
	}
	if len(args) == 0 || json.Unmarshal(args[0], &r.sub) != nil || r.sub == "" || len(r.sub) > lim.SubIDBytes {
		return r, &requestError{reason: fmt.Sprintf("invalid: the subscription id is a string of 1 to %d bytes", lim.SubIDBytes)}
	}
	refuse := func(format string, a ...any) error {
		return &requestError{sub: r.sub, reason: fmt.Sprintf(format, a...)}
	}
	args = args[1:]
	switch r.label {
	case "REQ":
		if len(args) == 0 || len(args) > lim.Filters {
			return r, refuse("invalid: a REQ has 1 to %d filters", lim.Filters)
		}
	case "NEG-OPEN":
		if len(args) != 2 {
			return r, refuse("invalid: NEG-OPEN has a filter and a message")
		}
		if json.Unmarshal(args[1], &r.neg) != nil {
			return r, refuse("invalid: the message of NEG-OPEN is no string")
		}
		args = args[:1]
	case "NEG-MSG":
		if len(args) != 1 || json.Unmarshal(args[0], &r.neg) != nil {
			return r, refuse("invalid: NEG-MSG has one message")
		}
		return r, nil
	default:
		return r, nil
	}
	values := lim.FilterValues
	for _, raw := range args {
		f, err := parseFilter(raw, &values)
		if err != nil {
			return r, refuse("invalid: %v", err)
		}
		r.filters = append(r.filters, f)
	}
	return r, nil
}

// parseFilter reads one filter and takes its values from the budget.
func parseFilter(raw []byte, budget *int) (nostr.Filter, error) {
	var f nostr.Filter
	if !strings.HasPrefix(strings.TrimLeft(string(raw[:min(len(raw), 16)]), " \t\r\n"), "{") {
		return f, errors.New("a filter is an object")
	}
	if err := f.UnmarshalJSON(raw); err != nil {
		return f, errors.New("the filter cannot be read")
	}
	if f.Search != "" {
		return f, errors.New("search is not supported")
	}
	if f.Limit < 0 {
		return f, errors.New("the limit is negative")
	}
	n := len(f.IDs) + len(f.Authors) + len(f.Kinds)
	tags := make(nostr.TagMap, len(f.Tags))
	for name, values := range f.Tags {
		n += len(values)
		if !singleLetter(name) {
			return f, fmt.Errorf("#%.20q is no single-letter tag", name)
		}
		// The library's name is a part of the message, all of which it would keep in memory, blanks included.
		tags[strings.Clone(name)] = values
	}
	f.Tags = tags
	if *budget -= n; *budget < 0 {
		return f, errors.New("too many values in the filters of one message")
	}
	for _, id := range f.IDs {
		if _, err := event.ParseID(id); err != nil {
			return f, fmt.Errorf("id in filter: %w", err)
		}
	}
	for _, pk := range f.Authors {
		if _, err := event.ParsePubKey(pk); err != nil {
			return f, fmt.Errorf("author in filter: %w", err)
		}
	}
	return f, nil
}

// singleLetter reports a tag name that can be asked for (NIP-01).
func singleLetter(name string) bool {
	return len(name) == 1 && (name[0] >= 'a' && name[0] <= 'z' || name[0] >= 'A' && name[0] <= 'Z')
}

// claimedID is the id that an unreadable event claims to have, for its OK.
func claimedID(raw []byte) (string, bool) {
	var e struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(raw, &e) != nil {
		return "", false
	}
	_, err := event.ParseID(e.ID)
	return e.ID, err == nil
}

func quoted(s string) string {
	if len(s) > 20 {
		s = s[:20]
	}
	return fmt.Sprintf("%q", s)
}
