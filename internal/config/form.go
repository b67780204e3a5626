package config

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// form reads and prints the text of one value.
type form struct {
	allowed string
	parse   func(string) (any, error) // the result has the field's type
	show    func(any) string          // the canonical text, which parse reads; masked where it is a secret
}

const (
	maxText     = 4096                      // bytes of one value
	maxNumber   = 1_000_000_000             // far from overflow in any product
	maxDuration = 10 * 365 * 24 * time.Hour // doubling must not overflow
)

// typeForms hold for a Go type when no tag says more.
var typeForms = map[reflect.Type]form{
	reflect.TypeFor[string]():            of("text", parseText, func(s string) string { return s }),
	reflect.TypeFor[int]():               of("a whole number", parseInt, strconv.Itoa),
	reflect.TypeFor[time.Duration]():     of("a duration such as 500ms, 5s, 15m or 24h", parseDuration, formatDuration),
	reflect.TypeFor[Size]():              of("a size such as 512KiB or 4MiB", parseSize, Size.String),
	reflect.TypeFor[relayurl.URL]():      of("a ws:// or wss:// URL", parseURL, relayurl.URL.String),
	reflect.TypeFor[netip.Prefix]():      of("an address or a network such as 10.0.0.0/8", parsePrefix, netip.Prefix.String),
	reflect.TypeFor[event.PubKey]():      of("an npub", parseNpub, formatNpub),
	reflect.TypeFor[event.Ref]():         of("npub/identifier", parseRepo, formatRepo),
	reflect.TypeFor[nip34.ArchiveRule](): of("npub, npub/identifier or domain:HOST", parseArchive, nip34.ArchiveRule.String),
}

// forms are named by the form tag.
var forms = map[string]form{
	"domain":   of("host or host:port, without a scheme", parseDomain, func(s string) string { return s }),
	"listen":   of("host:port with a port from 0 to 65535", parseListen, func(s string) string { return s }),
	"path":     of("a path that is not empty", parsePath, func(s string) string { return s }),
	"contact":  of("up to 200 printable ASCII characters", parseContact, func(s string) string { return s }),
	"database": of("sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME", parseDatabase, Secret.String),
	"proxy":    of("empty, or socks5://[USER:PASSWORD@]HOST:PORT", parseProxy, Secret.String),
}

func of[T any](allowed string, parse func(string) (T, error), show func(T) string) form {
	return form{
		allowed: allowed,
		parse:   func(s string) (any, error) { return parse(s) },
		show:    func(v any) string { return show(v.(T)) },
	}
}

// formOf chooses the form of a field, or of the elements of a list.
func formOf(t reflect.Type, tag reflect.StructTag) (form, error) {
	if words := tag.Get("oneof"); words != "" {
		return oneOf(strings.Split(words, ",")), nil
	}
	f, ok := typeForms[t]
	if name := tag.Get("form"); name != "" {
		f, ok = forms[name]
	}
	if !ok {
		return form{}, fmt.Errorf("no form for type %s, form tag %q", t, tag.Get("form"))
	}
	least := tag.Get("min")
	if least == "" {
		return f, nil
	}
	low, err := f.parse(least)
	if err != nil {
		return form{}, fmt.Errorf("min %q: %w", least, err)
	}
	return atLeast(f, low), nil
}

func oneOf(words []string) form {
	return of(strings.Join(words, ", "), func(s string) (string, error) {
		for _, w := range words {
			if s == w {
				return s, nil
			}
		}
		return "", errors.New("not one of the words")
	}, func(s string) string { return s })
}

// atLeast narrows a form of integers.
func atLeast(f form, low any) form {
	least := reflect.ValueOf(low).Int()
	bound := "at least " + f.show(low)
	if d, ok := low.(time.Duration); ok && d == 1 {
		bound = "more than 0"
	}
	parse := f.parse
	f.allowed += ", " + bound
	f.parse = func(s string) (any, error) {
		v, err := parse(s)
		if err == nil && reflect.ValueOf(v).Int() < least {
			return nil, errors.New("too small")
		}
		return v, err
	}
	return f
}

func parseText(s string) (string, error) { return s, nil }

// printable refuses what no key may hold, whatever its form.
func printable(s string) error {
	if len(s) > maxText {
		return fmt.Errorf("longer than %d bytes", maxText)
	}
	if !utf8.ValidString(s) {
		return errors.New("not UTF-8")
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return errors.New("holds a control character")
	}
	return nil
}

func parseInt(s string) (int, error) {
	n, err := strconv.Atoi(s)
	switch {
	case n > maxNumber: // also what overflows
		return 0, fmt.Errorf("larger than %d", maxNumber)
	case err != nil:
		return 0, errors.New("not a whole number")
	case n < 0:
		return 0, errors.New("negative")
	}
	return n, nil
}

func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, errors.New("not a duration")
	case d < 0:
		return 0, errors.New("negative")
	case d > maxDuration:
		return 0, errors.New("longer than ten years")
	}
	return d, nil
}

// formatDuration leaves out the zeros that time.Duration prints: 15m, not 15m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
