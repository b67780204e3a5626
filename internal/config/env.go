package config

import (
	"slices"
	"strings"
)

// domainEnv is read for own_relay.domains, below the variable of the key itself: other programs of a git-nostr
// service use it.
const domainEnv = "NGIT_DOMAIN"

// readEnv takes NGIT_SYNC_* and NGIT_DOMAIN. An empty variable is one that is not set, as `${X:-}` in a compose file leaves it.
func (l *loader) readEnv(environ []string) {
	environ = slices.Sorted(slices.Values(environ)) // NGIT_DOMAIN before NGIT_SYNC_*: the latter wins
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		src := Source{Layer: FromEnv, Name: name}
		switch k, known := schema().byEnv[name]; {
		case name == domainEnv && value != "":
			k = mustKey("own_relay.domains")
			l.set(k, src, split(value, src))
		case known && value != "":
			l.setText(k, value, src)
		case !known && strings.HasPrefix(name, envPrefix):
			l.fail(src, "", "", "unknown variable"+suggestion(name, knownEnv()),
				"NGIT_SYNC_<SECTION>_<KEY>, as docs/reference/configuration.md lists them")
		}
	}
}

// Flag is one flag of the command line that sets a key; several values when it was repeated.
type Flag struct {
	Key    string
	Values []string
}

// readFlags takes flags. A list is repeated, comma-separated or both; of anything else the last value counts.
func (l *loader) readFlags(flags []Flag) {
	for _, f := range flags {
		k := mustKey(f.Key)
		if len(f.Values) == 0 {
			continue
		}
		src := Source{Layer: FromFlag, Name: "--" + k.Flag}
		if k.List {
			l.setText(k, strings.Join(f.Values, ","), src)
		} else {
			l.setText(k, f.Values[len(f.Values)-1], src)
		}
	}
}

func (l *loader) setText(k Key, text string, src Source) {
	if k.List {
		l.set(k, src, split(text, src))
	} else {
		l.set(k, src, []given{{text, src}})
	}
}

// split separates a list at commas; empty entries vanish.
func split(text string, src Source) []given {
	var out []given
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, given{part, src})
		}
	}
	return out
}
