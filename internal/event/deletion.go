package event

// Deletes is what a deletion request (kind 5) names and its author may delete by what it says: ids in `e`, and coordinates of the
// author's own in `a` (NIP-09). Who wrote the events of the ids is not said in it. Malformed values are skipped.
func (e *Event) Deletes() References {
	ids := distinct[ID]{most: len(e.Tags)}
	refs := distinct[Ref]{most: len(e.Tags)}
	for _, tag := range e.Tags {
		if len(tag) < 2 {
			continue
		}
		switch tag[0] {
		case "e":
			if id, err := ParseID(tag[1]); err == nil {
				ids.add(id)
			}
		case "a":
			if ref, err := ParseRef(tag[1]); err == nil && ref.PubKey == e.PubKey && IsReplaceable(ref.Kind) {
				refs.add(ref)
			}
		}
	}
	return References{IDs: ids.list, Refs: refs.list}
}

// Deletable reports whether a deletion request can name an event of this kind with effect (NIP-09, NIP-62).
func Deletable(kind int) bool { return kind != KindDeletion && kind != KindVanish }
