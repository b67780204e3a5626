package event

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/corpus"
)

// signedBy gives an event of the nth author.
func signedBy(t testing.TB, n int, content string) *Event {
	t.Helper()
	e := nostr.Event{Kind: 1, Content: content}
	require.NoError(t, e.Sign(fmt.Sprintf("%064x", n+1)))
	out, err := Wrap(e)
	require.NoError(t, err)
	return out
}

func TestVerifierOfTheCorpus(t *testing.T) {
	v := NewVerifier()
	for _, raw := range corpus.Events()[:100] {
		e, err := Parse(raw, DefaultLimits())
		require.NoError(t, err)
		require.True(t, v.Verify(e), "%s", raw)
	}
}

// An author's signatures are judged alike, however much is known of him.
func TestVerifierRefusesWhatTheLibraryRefuses(t *testing.T) {
	v := NewVerifier()
	const often = 66 // has multiples
	for i := range often {
		e := signedBy(t, 1, fmt.Sprint(i))
		require.True(t, v.Verify(e))
		if i > 0 && i < often-1 {
			continue
		}
		for name, edit := range map[string]func(*nostr.Event){
			"another event's signature": func(n *nostr.Event) { n.Sig = signedBy(t, 1, "another").Sig },
			"another author's":          func(n *nostr.Event) { n.Sig = signedBy(t, 2, n.Content).Sig },
			"another content":           func(n *nostr.Event) { n.Content += " " },
			"another key":               func(n *nostr.Event) { n.PubKey = signedBy(t, 2, "").Event.PubKey },
			"a zero signature":          func(n *nostr.Event) { n.Sig = strings.Repeat("0", 128) },
			"s is zero":                 func(n *nostr.Event) { n.Sig = n.Sig[:64] + strings.Repeat("0", 64) },
			"r is zero":                 func(n *nostr.Event) { n.Sig = strings.Repeat("0", 64) + n.Sig[64:] },
			"r out of range":            func(n *nostr.Event) { n.Sig = strings.Repeat("f", 64) + n.Sig[64:] },
			"s out of range":            func(n *nostr.Event) { n.Sig = n.Sig[:64] + strings.Repeat("f", 64) },
			"no signature":              func(n *nostr.Event) { n.Sig = "" },
			"a key off the curve":       func(n *nostr.Event) { n.PubKey = strings.Repeat("f", 64) },
		} {
			n := *e.Event
			edit(&n)
			bent, err := Wrap(n)
			require.NoError(t, err)
			require.False(t, bent.Verify(), name)
			require.False(t, v.Verify(bent), "%s, after %d", name, i)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	e := signedBy(b, 1, strings.Repeat("x", 300))
	run := func(verify func(*Event) bool) func(*testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				if !verify(e) {
					b.Fatal("signature")
				}
			}
		}
	}
	b.Run("library", run((*Event).Verify))
	b.Run("new author", run(func(e *Event) bool { return NewVerifier().Verify(e) }))
	b.Run("frequent author", run(NewVerifier().Verify))
}
