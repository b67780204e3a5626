package event

// References is what an event points at through the tags that sync follows (DESIGN §5).
type References struct {
	IDs  []ID  // e, E and hex q
	Refs []Ref // a, A and coordinate q
}

// References reads e, E, q, a and A tags in order, without duplicates. Malformed values are skipped: anyone writes anything
// there.
func (e *Event) References() References {
	var r References
	for _, tag := range e.Tags {
		if len(tag) < 2 {
			continue
		}
		switch tag[0] {
		case "e", "E":
			r.addID(tag[1])
		case "a", "A":
			r.addRef(tag[1])
		case "q":
			if !r.addID(tag[1]) {
				r.addRef(tag[1])
			}
		}
	}
	return r
}

func (r *References) addID(s string) bool {
	id, err := ParseID(s)
	if err != nil {
		return false
	}
	for _, have := range r.IDs {
		if have == id {
			return true
		}
	}
	r.IDs = append(r.IDs, id)
	return true
}

func (r *References) addRef(s string) {
	ref, err := ParseRef(s)
	if err != nil {
		return
	}
	for _, have := range r.Refs {
		if have == ref {
			return
		}
	}
	r.Refs = append(r.Refs, ref)
}
