package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Setting is the effective value of one key, ready to be shown: secrets are masked.
type Setting struct {
	Key
	Values []string // canonical; exactly one unless the key is a list
	Source Source
}

// Settings lists every key with its value and where that came from, in the order of the documentation.
func (c Config) Settings() []Setting {
	keys := Keys()
	out := make([]Setting, len(keys))
	for i, k := range keys {
		out[i] = Setting{Key: k, Values: k.shown(c), Source: c.Source(k.Name)}
	}
	return out
}

// shown is the canonical text of a key's value or of the entries of its list.
func (k Key) shown(c Config) []string {
	v := k.field(&c)
	if !k.List {
		return []string{k.value.show(v.Interface())}
	}
	out := make([]string, v.Len())
	for i := range out {
		out[i] = k.value.show(v.Index(i).Interface())
	}
	return out
}

// YAML is the value as the file takes it. Go's quoting is a subset of YAML's for text without control characters.
func (s Setting) YAML() string {
	quoted := make([]string, len(s.Values))
	for i, v := range s.Values {
		quoted[i] = v
		if s.text {
			quoted[i] = strconv.Quote(v)
		}
	}
	if s.List {
		return "[" + strings.Join(quoted, ", ") + "]"
	}
	return quoted[0]
}

// Masked is the effective configuration as a file, each value with where it came from, secrets masked.
func (c Config) Masked() string {
	var b strings.Builder
	var open []string
	for _, s := range c.Settings() {
		path := strings.Split(s.Name, ".")
		sections, name := path[:len(path)-1], path[len(path)-1]
		for depth, section := range sections {
			if depth >= len(open) || !slices.Equal(open[:depth+1], sections[:depth+1]) {
				b.WriteString(strings.Repeat("  ", depth) + section + ":\n")
			}
		}
		open = sections
		b.WriteString(strings.Repeat("  ", len(sections)) + name + ": " + s.YAML() + " # " + strings.Trim(strconv.Quote(s.Source.String()), `"`) + "\n")
	}
	return b.String()
}

// NeedRestart names the keys whose values differ between two configurations and that SIGHUP cannot change.
func NeedRestart(running, loaded Config) []string {
	var out []string
	for _, k := range Keys() {
		if !k.Reload && !reflect.DeepEqual(k.field(&running).Interface(), k.field(&loaded).Interface()) {
			out = append(out, k.Name)
		}
	}
	return out
}
