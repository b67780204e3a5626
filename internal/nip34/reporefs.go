package nip34

import (
	"slices"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// RepoRefs lists the repositories that an event tags with `a` or `A`: well-formed coordinates of kind 30617 with an
// identifier, each once, in order.
func RepoRefs(e *event.Event) []event.Ref {
	var refs []event.Ref
	var seen map[event.Ref]struct{}
	for _, tag := range e.Tags {
		if len(tag) < 2 || (tag[0] != "a" && tag[0] != "A") {
			continue
		}
		ref, err := event.ParseRef(tag[1])
		if err != nil || ref.Kind != event.KindAnnouncement || ref.D == "" {
			continue
		}
		if seen == nil && len(refs) < 16 {
			if !slices.Contains(refs, ref) {
				refs = append(refs, ref)
			}
			continue
		}
		if seen == nil {
			seen = make(map[event.Ref]struct{}, 4*len(refs))
			for _, have := range refs {
				seen[have] = struct{}{}
			}
		}
		if _, ok := seen[ref]; !ok {
			seen[ref] = struct{}{}
			refs = append(refs, ref)
		}
	}
	return refs
}
