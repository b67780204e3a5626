package relay

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What relays are known to say (RELAYS §3.5), relay by relay. The classes are those of DESIGN §6.
func TestClassify(t *testing.T) {
	tests := []struct {
		relay  string
		ok     bool
		reason string
		want   class
	}{
		{"khatru", false, "rate-limited: slow down, please", classLimited},
		{"khatru", false, "blocked: you are not the author of this event", classPermanent},
		{"ngit-relay", false, "blocked: event does not relate to a stored repository", classMissing},
		{"ngit-relay", false, "blocked: repository announcement doesn't list ngit-relay in tags: clones and relays", classPermanent},
		{"khatru", false, "blocked: event contains too large tags", classOwnLimit},
		{"khatru", false, "blocked: event too much in the future", classNotNow},
		{"khatru", false, "blocked: this event has been deleted", classDeleted},
		{"khatru", false, "auth-required: must be published by authenticated event author", classPermanent},
		{"khatru", false, "blocked: must be published by event author", classPermanent},
		{"khatru", false, "blocked: can't repost nip70 protected", classPermanent},
		{"khatru", false, "invalid: id is computed incorrectly", classPermanent},
		{"khatru", false, "invalid: signature is invalid", classPermanent},
		{"khatru", false, "error: failed to verify signature", classPermanent},
		{"khatru", false, "error: failed to save: disk full", classTransient},
		{"khatru", true, "", classStored},
		{"strfry", true, "duplicate: have this event", classDuplicate},
		{"strfry", false, "replaced: have newer event", classSuperseded},
		{"strfry", false, "deleted: user requested deletion", classDeleted},
		{"strfry", false, "invalid: event too large: 70342", classOwnLimit},
		{"strfry", false, "invalid: created_at too early", classOwnLimit},
		{"strfry", false, "invalid: created_at too late", classNotNow},
		{"strfry", false, "invalid: tag val too large: 1025", classOwnLimit},
		{"strfry", false, "invalid: too many tags: 2001", classPermanent},
		{"strfry", false, "invalid: event expired", classPermanent},
		{"strfry", false, "invalid: bad event id", classPermanent},
		{"strfry", false, "invalid: bad signature", classPermanent},
		{"strfry", false, "blocked: event marked as protected", classPermanent},
		{"strfry", false, "auth-required: event marked as protected", classPermanent},
		{"strfry", false, "restricted: must be published by the author", classPermanent},
		{"strfry", false, "Write error: MDB_MAP_FULL", classTransient},
		{"strfry", false, "blocked: reposts can't embed protected events", classPermanent},
		{"strfry", false, "error: internal error", classTransient},
		{"strfry", false, "invalid: unexpected size for fixed-size tag: e", classPermanent},
		{"nostr-rs-relay", true, "duplicate: ", classDuplicate},
		{"nostr-rs-relay", false, "blocked: event kind is blocked by relay", classPermanent},
		{"nostr-rs-relay", false, "blocked: User is not admitted", classPermanent},
		{"nostr-rs-relay", false, "blocked: NIP-05 verification needed to publish events", classPermanent},
		{"nostr-rs-relay", false, "restricted: not allowed", classOwnLimit},
		{"nostr-rs-relay", false, "invalid: bad", classPermanent},
		{"nostr-rs-relay", false, "error: Pubkey not registered", classOwnLimit},
		{"nostr-rs-relay", false, "error: relay experienced an error trying to publish the latest event", classTransient},
		{"nostr-rs-relay", false, "event exceeded max size", classOwnLimit},
		{"ngit-grasp", true, "purgatory: won't be served until git data arrives", classHeld},
		{"ngit-grasp", true, "purgatory: PR event stored, waiting for git push with commit 0123", classHeld},
		{"ngit-grasp", true, "duplicate: in purgatory", classHeld},
		{"ngit-grasp", true, "duplicate", classDuplicate},
		{"ngit-grasp", false, "invalid: no announcement exists for this repository", classMissing},
		{"ngit-grasp", false, "invalid: author not authorized for this repository", classMissing},
		{"ngit-grasp", false, "Event event must reference an accepted repository or accepted event", classMissing},
		{"ngit-grasp", false, "invalid: previously expired from purgatory without git data", classPermanent},
		{"ngit-grasp", false, "invalid: accepted deletion request for this event", classDeleted},
		{"relay-builder", false, "rate-limited: slow down", classLimited},
		{"relay-builder", false, "pow: required a difficulty >= 20", classOwnLimit},
		{"relay-builder", false, "auth-required: you must auth", classAuth},
		{"relay-builder", false, "blocked: this event may only be published by its author", classPermanent},
		{"relay-builder", false, "blocked: event is expired", classPermanent},
		{"relay-builder", false, "error: database error", classTransient},
		{"grasp-gitea", false, "blocked: only GRASP repository and collaboration events are accepted", classPermanent},
		{"grasp-gitea", false, "blocked: collaboration events must reference a hosted repository or accepted issue/patch/PR", classMissing},
		{"grasp-gitea", false, "blocked: repository state signer is not authorized for a hosted repository", classMissing},
		{"wisp", false, "rate-limited: too many events", classLimited},
		{"wisp", false, "invalid: event too far in future", classNotNow},
		{"wisp", false, "pow: difficulty 10 < 20", classOwnLimit},
		{"nostream", false, "rate-limited: event rate-limited", classLimited},
		{"haven", false, "restricted: you must be whitelisted to post to this relay", classOwnLimit},
		{"any", true, "anything at all", classStored},
		{"any", true, "error: but true", classStored},
		{"any", true, "replaced: have newer event", classSuperseded},
		{"any", false, "duplicate: have this event", classDuplicate},
		{"any", false, "ERROR: rate-limited: slow down", classLimited},
		{"any", false, "mute: nobody would see it", classPermanent},
		{"any", false, "", classUnknown},
		{"any", false, "no", classUnknown},
		{"any", false, "error", classUnknown},
		{"any", false, "something: else", classUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.relay+" "+tt.reason, func(t *testing.T) {
			require.Equal(t, tt.want.String(), classify(tt.ok, tt.reason).String())
		})
	}
}

func TestEveryClassHasAName(t *testing.T) {
	names := map[string]bool{}
	for c := classStored; c <= classUnknown; c++ {
		names[c.String()] = true
	}
	require.Len(t, names, int(classUnknown)+1)
}

func FuzzClassify(f *testing.F) {
	for _, s := range sayings {
		f.Add(false, s.text)
		f.Add(true, "ERROR: blocked: "+s.text)
	}
	for prefix := range prefixes {
		f.Add(false, prefix+": x")
	}
	f.Fuzz(func(t *testing.T, ok bool, reason string) {
		c := classify(ok, reason)
		require.NotEmpty(t, c.String())
		if !strings.HasPrefix(reason, "ERROR: ") {
			require.Equal(t, c, classify(ok, "ERROR: "+reason), "the decoration means nothing")
		}
		if ok {
			require.True(t, c.accepted() || c == classSuperseded)
		} else {
			require.False(t, c == classStored || c == classHeld)
		}
	})
}
