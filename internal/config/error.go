package config

import (
	"strconv"
	"strings"
)

// Error is one defect of the configuration: where it stands, what stands there and what may.
type Error struct {
	Source  Source
	Key     string // empty when the file as a whole is meant
	Value   string // quoted, cut and masked; empty when the defect is not one value's
	Reason  string
	Allowed string // empty when nothing would do
}

// Error reads `ngit-sync.yaml:12: sync.poll_interval: "soon": not a duration; allowed: ...`.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Source.Layer != FromDefault {
		b.WriteString(e.Source.String() + ": ")
	}
	for _, part := range []string{e.Key, e.Value} {
		if part != "" {
			b.WriteString(part + ": ")
		}
	}
	b.WriteString(e.Reason)
	if e.Allowed != "" {
		b.WriteString("; allowed: " + e.Allowed)
	}
	return b.String()
}

// Errors is every defect that was found, in the order of the file, the environment and the flags.
// Whoever sees one exits 2.
type Errors []*Error

// Error has one line for each defect.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the defects to errors.As.
func (es Errors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}

// orNil avoids a nil Errors inside a non-nil error.
func (es Errors) orNil() error {
	if len(es) == 0 {
		return nil
	}
	return es
}

const maxQuoted = 120 // bytes of a value that a message repeats

// quoted is how a message repeats the text of a value.
func (k Key) quoted(s string) string {
	if k.secret {
		s = maskURL(s)
	}
	return Quote(s)
}

// Quote is how a message repeats what a person wrote. It may be a secret in the wrong place, so what looks like a password is masked.
func Quote(s string) string {
	s = maskText(s)
	if len(s) > maxQuoted {
		s = s[:maxQuoted] + "..."
	}
	return strconv.Quote(s)
}
