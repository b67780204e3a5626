package event

// Kinds of NIP-34 and its neighbours.
const (
	KindDeletion     = 5     // NIP-09
	KindReaction     = 7     // NIP-25
	KindVanish       = 62    // NIP-62
	KindComment      = 1111  // NIP-22
	KindPatch        = 1617  // NIP-34
	KindPullRequest  = 1618  // NIP-34
	KindPRUpdate     = 1619  // NIP-34
	KindIssue        = 1621  // NIP-34
	KindStatusOpen   = 1630  // NIP-34
	KindStatusMerged = 1631  // NIP-34, applied, merged or resolved
	KindStatusClosed = 1632  // NIP-34
	KindStatusDraft  = 1633  // NIP-34
	KindAuth         = 22242 // NIP-42
	KindGiftWrap     = 1059  // NIP-59
	KindAnnouncement = 30617 // NIP-34
	KindState        = 30618 // NIP-34
)

const maxKind = 65535

// RootKinds are the kinds that start a conversation about a repo (DESIGN §2).
var RootKinds = [...]int{KindPatch, KindPullRequest, KindPRUpdate, KindIssue}

// IsRoot reports whether an event of this kind starts a conversation when it tags a repo with `a`.
func IsRoot(kind int) bool {
	switch kind {
	case KindPatch, KindPullRequest, KindPRUpdate, KindIssue:
		return true
	}
	return false
}

// IsReplaceable reports whether only the newest event per author (and `d`, if addressable) counts (NIP-01).
func IsReplaceable(kind int) bool {
	return kind == 0 || kind == 3 || (kind >= 10000 && kind < 20000) || IsAddressable(kind)
}

// IsAddressable reports whether the kind is replaceable per `d` tag (NIP-01).
func IsAddressable(kind int) bool { return kind >= 30000 && kind < 40000 }

// NeverSynced reports kinds that are never fetched or published: ephemeral ones, AUTH and gift wraps (DESIGN §5).
func NeverSynced(kind int) bool {
	return (kind >= 20000 && kind < 30000) || kind == KindAuth || kind == KindGiftWrap
}
