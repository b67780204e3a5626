//go:build !libsecp256k1

package event

import "crypto/sha256"

const (
	// keysKept is how many authors a generation of a Verifier's memory holds.
	keysKept = 1024
	// worthwhile is how many signatures of one author are checked before multiples of his key are computed. They take as long as twenty
	// checks save; after so many they are paid by what remembering the key has saved, if he writes no more.
	worthwhile = 64
	// multiplesKept is how many authors have such multiples at the most, 77 kB each.
	multiplesKept = 32
)

// Verifier checks signatures as Event.Verify does, and remembers the keys of authors: of one who has written much a check takes half as
// long (decisions/0032). One goroutine owns it.
type Verifier struct {
	young, old map[PubKey]*key // two generations: who is not seen for a while is forgotten
	hot        []*key          // with multiples
	hand       int             // who of them gives his up next
}

// key is an author's.
type key struct {
	point     point
	checked   int        // good signatures since the hand passed, or since it was new
	multiples *multiples // nil until they are worthwhile
}

// NewVerifier remembers nobody.
func NewVerifier() *Verifier { return &Verifier{young: map[PubKey]*key{}} }

// Verify checks the BIP-340 signature over the hash of the content.
func (v *Verifier) Verify(e *Event) bool {
	var sig [64]byte
	if decodeHex(sig[:], e.Sig) != nil {
		return false
	}
	k := v.key(e.PubKey)
	if k == nil || !signed(&k.point, k.multiples, e.PubKey, sha256.Sum256(e.Serialize()), &sig) {
		return false
	}
	v.count(k)
	return true
}

// key gives the key of an author, nil when it is none.
func (v *Verifier) key(pk PubKey) *key {
	k := v.young[pk]
	if k != nil {
		return k
	}
	if k = v.old[pk]; k == nil {
		p, ok := lift(pk)
		if !ok {
			return nil
		}
		k = &key{point: p}
	}
	if len(v.young) >= keysKept {
		v.old, v.young = v.young, make(map[PubKey]*key, keysKept)
	}
	v.young[pk] = k
	return k
}

// count counts a good signature, and computes multiples when they are worthwhile. When all places are taken somebody has to give his
// up, unless he has earned them anew since he was asked last: then who wants them begins again.
func (v *Verifier) count(k *key) {
	k.checked++
	if k.multiples != nil || k.checked < worthwhile {
		return
	}
	k.checked = 0
	if len(v.hot) < multiplesKept {
		v.hot = append(v.hot, k)
	} else {
		other := v.hot[v.hand]
		if other.checked < worthwhile {
			other.multiples, v.hot[v.hand] = nil, k
		}
		other.checked, v.hand = 0, (v.hand+1)%multiplesKept
		if other.multiples != nil {
			return
		}
	}
	k.multiples = k.point.multiples()
}
