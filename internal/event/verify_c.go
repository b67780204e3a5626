//go:build libsecp256k1

package event

// Verifier checks signatures as Event.Verify does. The C library needs no memory of keys.
type Verifier struct{}

// NewVerifier remembers nobody.
func NewVerifier() *Verifier { return &Verifier{} }

// Verify checks the BIP-340 signature over the hash of the content.
func (*Verifier) Verify(e *Event) bool { return e.Verify() }
