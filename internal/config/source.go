package config

import "strconv"

// Layer is a kind of place that values come from; a higher one wins.
type Layer uint8

// Layers, lowest first.
const (
	FromDefault Layer = iota
	FromFile
	FromEnv
	FromFlag
)

// Source is where a value came from.
type Source struct {
	Layer Layer
	Name  string // path of the file, name of the variable or flag
	Line  int    // in the file, from 1
}

// String is "default", "ngit-sync.yaml:12", "NGIT_SYNC_LOG_LEVEL" or "--log-level".
func (s Source) String() string {
	switch {
	case s.Layer == FromDefault:
		return "default"
	case s.Line > 0:
		return s.Name + ":" + strconv.Itoa(s.Line)
	}
	return s.Name
}

// Source tells where the value of a key came from.
func (c Config) Source(key string) Source { return c.sources[key] }
