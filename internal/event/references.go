package event

// References is what an event points at through the tags that sync follows (DESIGN §5).
type References struct {
	IDs  []ID  // e, E and hex q
	Refs []Ref // a, A and coordinate q
}

// fewReferences is how many are compared one by one before a set pays: events with more are rare, and some are made
// to hurt.
const fewReferences = 16

// References reads e, E, q, a and A tags in order, without duplicates. Malformed values are skipped: anyone writes anything
// there.
func (e *Event) References() References {
	ids := distinct[ID]{most: len(e.Tags)}
	refs := distinct[Ref]{most: len(e.Tags)}
	for _, tag := range e.Tags {
		if len(tag) < 2 || len(tag[0]) != 1 {
			continue
		}
		switch tag[0] {
		case "e", "E":
			if id, err := ParseID(tag[1]); err == nil {
				ids.add(id)
			}
		case "a", "A":
			if ref, err := ParseRef(tag[1]); err == nil {
				refs.add(ref)
			}
		case "q":
			if id, err := ParseID(tag[1]); err == nil {
				ids.add(id)
			} else if ref, err := ParseRef(tag[1]); err == nil {
				refs.add(ref)
			}
		}
	}
	return References{IDs: ids.list, Refs: refs.list}
}

// distinct keeps the first of equal values, in order.
type distinct[T comparable] struct {
	list []T
	seen map[T]struct{} // nil while the list is short
	most int            // values to come at most
}

func (d *distinct[T]) add(v T) {
	if d.seen == nil {
		for i := range d.list {
			if d.list[i] == v {
				return
			}
		}
		d.list = append(d.list, v)
		if len(d.list) < fewReferences {
			return
		}
		d.seen = make(map[T]struct{}, d.most)
		for _, have := range d.list {
			d.seen[have] = struct{}{}
		}
		return
	}
	if _, ok := d.seen[v]; ok {
		return
	}
	d.seen[v] = struct{}{}
	d.list = append(d.list, v)
}
