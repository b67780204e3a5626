package relay

import "strings"

// class is what an answer of the own relay means for the event (DESIGN §6, Answers).
type class uint8

const (
	classStored class = iota
	classDuplicate
	classHeld       // accepted, served later (purgatory of GRASP-01)
	classSuperseded // a newer replaceable is there
	classDeleted
	classLimited
	classAuth
	classMissing // what it references is not there
	classNotNow  // created_at lies ahead
	classOwnLimit
	classTransient
	classPermanent
	classUnknown // refused without a known text or prefix
)

// String is the value of the metric label `result`.
func (c class) String() string {
	return [...]string{
		"stored", "duplicate", "held", "superseded", "deleted", "limited", "auth", "missing_parent", "not_now", "own_limit",
		"transient", "rejected", "unknown",
	}[c]
}

// accepted reports answers after which the own relay has the event.
func (c class) accepted() bool { return c == classStored || c == classDuplicate || c == classHeld }

// final reports answers that end the matter: asking again would give the same.
func (c class) final() bool {
	switch c {
	case classStored, classDuplicate, classHeld, classSuperseded, classDeleted, classOwnLimit, classPermanent:
		return true
	default:
		return false
	}
}

// saying is a known text of some relay, in lower case. It is looked for before the prefix, because relays disagree on
// prefixes: the first that occurs decides, so exceptions stand before what they are exceptions of (RELAYS §3.5, §7.2).
type saying struct {
	text  string
	class class
}

var sayings = []saying{
	// khatru, strfry, relay-builder: NIP-70. It looks like auth, but no login of ours helps.
	{"must be published by", classPermanent},
	{"marked as protected", classPermanent},
	{"may only be published by its author", classPermanent},
	{"repost nip70 protected", classPermanent},
	{"reposts can't embed protected", classPermanent},
	// khatru: the prefix is error:, but the same bytes will not verify later.
	{"failed to verify signature", classPermanent},

	{"user requested deletion", classDeleted},
	{"has been deleted", classDeleted},
	{"accepted deletion request for this event", classDeleted}, // ngit-grasp

	{"does not relate to a stored repository", classMissing},               // ngit-relay
	{"no announcement exists", classMissing},                               // ngit-grasp
	{"not authorized for", classMissing},                                   // ngit-grasp, grasp-gitea: a state before its maintainer set
	{"must reference an accepted repository", classMissing},                // ngit-grasp
	{"must reference a hosted repository or accepted issue", classMissing}, // grasp-gitea

	{"created_at too late", classNotNow},    // strfry
	{"in the future", classNotNow},          // khatru, nostr-rs-relay
	{"too far in future", classNotNow},      // wisp
	{"created_at too early", classOwnLimit}, // strfry: over three years old
	{"too large", classOwnLimit},            // strfry, khatru: events, tags, tag values
	{"exceeded max size", classOwnLimit},    // nostr-rs-relay
	{notRegistered, classOwnLimit},          // nostr-rs-relay

	{"write error:", classTransient}, // strfry, no NIP-01 prefix
}

const (
	decoration    = "ERROR: " // of strfry, not the prefix `error:`
	notRegistered = "pubkey not registered"
)

// prefixes of NIP-01, and those that relays have added.
var prefixes = map[string]class{
	"duplicate":    classDuplicate,
	"replaced":     classSuperseded,
	"deleted":      classDeleted,
	"rate-limited": classLimited,
	authRequired:   classAuth,
	"restricted":   classOwnLimit,
	"pow":          classOwnLimit,
	"error":        classTransient,
	"invalid":      classPermanent,
	"blocked":      classPermanent,
	"mute":         classPermanent,
}

// speaksOfSize reports a NOTICE that takes the place of an OK for an event that is too large.
func speaksOfSize(notice string) bool {
	text := strings.ToLower(notice)
	return strings.Contains(text, "message too large") || strings.Contains(text, "exceeded max size")
}

// classify reads an OK of the own relay: the boolean first, then known texts, then the prefix.
func classify(ok bool, reason string) class {
	reason = strings.TrimPrefix(reason, decoration)
	text := strings.ToLower(strings.TrimSpace(reason))
	prefix, _, _ := strings.Cut(text, ":")
	if ok {
		switch {
		case strings.Contains(text, "purgatory"):
			return classHeld
		case prefix == "duplicate":
			return classDuplicate
		case prefix == "replaced":
			return classSuperseded
		}
		return classStored
	}
	for _, s := range sayings {
		if strings.Contains(text, s.text) {
			return s.class
		}
	}
	if c, known := prefixes[prefix]; known && prefix != text {
		return c
	}
	return classUnknown
}
