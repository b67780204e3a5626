package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Input is where a configuration is read from. Nothing else is looked at.
type Input struct {
	File  string   // path of the YAML file; empty for none
	Env   []string // NAME=value, as os.Environ gives them
	Flags []Flag
}

// Load reads all layers over the defaults. Its error is an Errors with everything that is wrong with single values; what is
// wrong between values is for Validate, because not every command needs all of them.
func Load(in Input) (Config, error) {
	l := &loader{cfg: Default()}
	if in.File != "" {
		l.readFile(in.File)
	}
	l.readEnv(in.Env)
	l.readFlags(in.Flags)
	if err := l.errs.orNil(); err != nil {
		return Config{}, err
	}
	return l.cfg, nil
}

// Default is the configuration of someone who said nothing. It does not Validate: somebody must say whose repositories
// are meant.
func Default() Config {
	l := &loader{cfg: Config{sources: map[string]Source{}}}
	for _, k := range Keys() {
		l.setText(k, k.Default, Source{})
	}
	if len(l.errs) > 0 {
		panic(fmt.Sprintf("config: defaults: %v", l.errs))
	}
	return l.cfg
}

type loader struct {
	cfg  Config
	errs Errors
}

// given is the text of one value, or of one entry of a list, and where it stands.
type given struct {
	text string
	src  Source
}

func (l *loader) fail(src Source, key, value, reason, allowed string) {
	l.errs = append(l.errs, &Error{Source: src, Key: key, Value: value, Reason: reason, Allowed: allowed})
}

// set gives a key its value; a list replaces the list of a lower layer. A key that has any bad entry keeps what it had.
func (l *loader) set(k Key, src Source, values []given) {
	field := k.field(&l.cfg)
	parsed := make([]reflect.Value, 0, len(values))
	for _, g := range values {
		v, err := k.parse(g.text)
		if err != nil {
			l.fail(g.src, k.Name, k.quoted(g.text), err.Error(), k.value.allowed)
			continue
		}
		parsed = append(parsed, reflect.ValueOf(v))
	}
	if len(parsed) != len(values) {
		return
	}
	if k.List {
		list := reflect.MakeSlice(field.Type(), 0, len(parsed))
		field.Set(reflect.Append(list, parsed...))
	} else {
		field.Set(parsed[0])
	}
	if src.Layer != FromDefault {
		l.cfg.sources[k.Name] = src
	}
}

// parse reads the text of a value. An empty URL is one that is not given.
func (k Key) parse(text string) (any, error) {
	if err := printable(text); err != nil {
		return nil, err
	}
	if text == "" && k.Default == "" && !k.List {
		return reflect.Zero(k.field(new(Config)).Type()).Interface(), nil
	}
	return k.value.parse(text)
}

func knownNames() []string {
	var out []string
	for _, k := range Keys() {
		out = append(out, k.Name)
	}
	for section := range maps.Keys(schema().sections) {
		out = append(out, section)
	}
	slices.Sort(out)
	return out
}

func knownEnv() []string { return slices.Sorted(maps.Keys(schema().byEnv)) }

// suggestion names the known word that was probably meant: the same last name elsewhere, or a word at most two letters
// away.
func suggestion(word string, known []string) string {
	last := word[strings.LastIndex(word, ".")+1:]
	best, least := "", 3
	for _, k := range known {
		d := distance(word, k)
		if strings.Contains(k, ".") && strings.HasSuffix(k, "."+last) {
			d = min(d, 1)
		}
		if d < least && k != "" {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return ", perhaps " + best
}

// distance is the number of letters to add, drop or change (Levenshtein), cheap because words are cut first.
func distance(a, b string) int {
	a, b = cut(a), cut(b)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

const maxWord = 80 // bytes of an unknown key that are repeated and compared

func cut(s string) string {
	if len(s) > maxWord {
		return s[:maxWord] + "..."
	}
	return s
}
