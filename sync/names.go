package sync

import (
	"iter"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
)

// names numbers what live filters ask for, so that the live sets of all relays share one copy of it.
type names struct {
	coords      numbers[event.Ref]
	identifiers numbers[string]
	roots       numbers[event.ID]
}

// text is the value of a number as it stands in a filter.
func (n *names) text(f filters.Family, v filters.Value) string {
	switch f {
	case filters.Repos:
		return n.coords.names[v].String()
	case filters.States:
		return n.identifiers.names[v]
	case filters.Roots:
		return n.roots.names[v].String()
	}
	return ""
}

// all gives the numbers that a text has, by family.
func (n *names) all(text string) iter.Seq2[filters.Family, filters.Value] {
	return func(yield func(filters.Family, filters.Value) bool) {
		if ref, err := event.ParseRef(text); err == nil {
			if v, ok := n.coords.of[ref]; ok && !yield(filters.Repos, v) {
				return
			}
		}
		if v, ok := n.identifiers.of[text]; ok && !yield(filters.States, v) {
			return
		}
		if id, err := event.ParseID(text); err == nil {
			if v, ok := n.roots.of[id]; ok {
				yield(filters.Roots, v)
			}
		}
	}
}

// numbers hands out a number for each name in use. The number of a name that nobody uses any more goes to the next one.
type numbers[K comparable] struct {
	of    map[K]filters.Value
	names []K
	uses  []int32
	free  []filters.Value
}

func newNumbers[K comparable]() numbers[K] { return numbers[K]{of: map[K]filters.Value{}} }

// use counts one more user of a name.
func (n *numbers[K]) use(name K) filters.Value {
	v, ok := n.of[name]
	if ok {
		n.uses[v]++
		return v
	}
	if last := len(n.free) - 1; last >= 0 {
		v = n.free[last]
		n.free = n.free[:last]
		n.names[v], n.uses[v] = name, 1
	} else {
		v = filters.Value(len(n.names))
		n.names, n.uses = append(n.names, name), append(n.uses, 1)
	}
	n.of[name] = v
	return v
}

// leave counts one user less, and reports whether it was the last.
func (n *numbers[K]) leave(v filters.Value) bool {
	if n.uses[v]--; n.uses[v] > 0 {
		return false
	}
	var none K
	delete(n.of, n.names[v])
	n.names[v] = none
	n.free = append(n.free, v)
	return true
}
