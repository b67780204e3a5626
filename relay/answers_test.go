package relay

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClassify(t *testing.T) {
	tests := []struct {
		ok     bool
		reason string
		want   class
	}{
		{true, "", classStored},
		{true, "anything at all", classStored},
		{true, "error: but true", classStored},
		{true, "duplicate: have this event", classDuplicate},
		{true, "duplicate: ", classDuplicate},
		{true, "duplicate", classDuplicate},
		{true, "purgatory: won't be served until git data arrives", classHeld},
		{true, "purgatory: PR event stored, waiting for git push with commit abc", classHeld},
		{true, "duplicate: in purgatory", classHeld},
		{true, "replaced: have newer event", classSuperseded},

		{false, "duplicate: have this event", classDuplicate},
		{false, "replaced: have newer event", classSuperseded},
		{false, "deleted: user requested deletion", classDeleted},
		{false, "blocked: this event has been deleted", classDeleted},
		{false, "invalid: accepted deletion request for this event", classDeleted},

		{false, "rate-limited: slow down, please", classLimited},
		{false, "rate-limited: slow down", classLimited},
		{false, "rate-limited: too many events", classLimited},
		{false, "ERROR: rate-limited: slow down", classLimited},

		{false, "auth-required: you must auth", classAuth},
		{false, "auth-required: must be published by authenticated event author", classPermanent},
		{false, "auth-required: event marked as protected", classPermanent},
		{false, "blocked: event marked as protected", classPermanent},
		{false, "blocked: must be published by event author", classPermanent},
		{false, "blocked: can't repost nip70 protected", classPermanent},
		{false, "blocked: reposts can't embed protected events", classPermanent},
		{false, "blocked: this event may only be published by its author", classPermanent},
		{false, "restricted: must be published by the author", classPermanent},

		{false, "blocked: event does not relate to a stored repository", classMissing},
		{false, "invalid: no announcement exists for this repository", classMissing},
		{false, "invalid: author not authorized for this repository", classMissing},
		{false, "Event event must reference an accepted repository or accepted event", classMissing},
		{false, "blocked: collaboration events must reference a hosted repository or accepted issue/patch/PR", classMissing},
		{false, "blocked: repository state signer is not authorized for a hosted repository", classMissing},

		{false, "invalid: created_at too late", classNotNow},
		{false, "blocked: event too much in the future", classNotNow},
		{false, "invalid: event too far in future", classNotNow},

		{false, "invalid: created_at too early", classOwnLimit},
		{false, "invalid: event too large: 70342", classOwnLimit},
		{false, "invalid: tag val too large: 1025", classOwnLimit},
		{false, "blocked: event contains too large tags", classOwnLimit},
		{false, "event exceeded max size", classOwnLimit},
		{false, "restricted: you must be whitelisted to post to this relay", classOwnLimit},
		{false, "pow: required a difficulty >= 20", classOwnLimit},
		{false, "error: Pubkey not registered", classOwnLimit},

		{false, "error: database error", classTransient},
		{false, "error: internal error", classTransient},
		{false, "error: relay experienced an error trying to publish the latest event", classTransient},
		{false, "Write error: MDB_MAP_FULL", classTransient},

		{false, "error: failed to verify signature", classPermanent},
		{false, "invalid: id is computed incorrectly", classPermanent},
		{false, "invalid: signature is invalid", classPermanent},
		{false, "invalid: bad event id", classPermanent},
		{false, "invalid: too many tags: 2001", classPermanent},
		{false, "invalid: event expired", classPermanent},
		{false, "invalid: unexpected size for fixed-size tag: e", classPermanent},
		{false, "invalid: previously expired from purgatory without git data", classPermanent},
		{false, "blocked: repository announcement doesn't list ngit-relay in tags: clones and relays", classPermanent},
		{false, "blocked: event kind is blocked by relay", classPermanent},
		{false, "blocked: User is not admitted", classPermanent},
		{false, "blocked: NIP-05 verification needed to publish events", classPermanent},
		{false, "blocked: only GRASP repository and collaboration events are accepted", classPermanent},
		{false, "blocked: you are not the author of this event", classPermanent},
		{false, "mute: nobody would see it", classPermanent},

		{false, "", classUnknown},
		{false, "no", classUnknown},
		{false, "error", classUnknown},
		{false, "something: else", classUnknown},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, classify(tt.ok, tt.reason), "%v %q", tt.ok, tt.reason)
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
