//go:build !libsecp256k1

package event

import (
	"crypto/sha256"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/schnorr"
)

// point is a point of the curve other than infinity: Z is 1, X and Y are normalized.
type point struct{ x, y btcec.FieldVal }

func (p *point) jacobian() (j btcec.JacobianPoint) {
	j.X, j.Y = p.x, p.y
	j.Z.SetInt(1)
	return j
}

// lift is lift_x of BIP-340: the point with this x and an even y. ok is false when there is none.
func lift(pk PubKey) (p point, ok bool) {
	parsed, err := schnorr.ParsePubKey(pk[:])
	if err != nil {
		return point{}, false
	}
	var j btcec.JacobianPoint
	parsed.AsJacobian(&j)
	return point{j.X, j.Y}, true
}

// challengeTag begins what is hashed for e: the hash of the tag, twice.
var challengeTag = sha256.Sum256([]byte("BIP0340/challenge"))

// challenge is e of BIP-340: a hash of R, of the key and of what is signed.
func challenge(r []byte, pk PubKey, hash [32]byte) (e btcec.ModNScalar) {
	var text [5 * 32]byte
	for i, part := range [...][]byte{challengeTag[:], challengeTag[:], r, pk[:], hash[:]} {
		copy(text[32*i:], part)
	}
	sum := sha256.Sum256(text[:])
	e.SetBytes(&sum) // mod n, as it is meant
	return e
}

// signed is the verification of BIP-340 as the library does it, but for the key, which is read already, and for its multiples, which
// may be nil.
func signed(p *point, m *multiples, pk PubKey, hash [32]byte, sig *[64]byte) bool {
	var r btcec.FieldVal
	var s btcec.ModNScalar
	if r.SetByteSlice(sig[:32]) || s.SetByteSlice(sig[32:]) {
		return false // not below p, not below n
	}
	e := challenge(sig[:32], pk, hash)
	e.Negate()
	var sum btcec.JacobianPoint
	btcec.ScalarBaseMultNonConst(&s, &sum)
	if m != nil {
		m.addTo(&sum, &e)
	} else {
		var product btcec.JacobianPoint
		j := p.jacobian()
		btcec.ScalarMultNonConst(&e, &j, &product)
		btcec.AddNonConst(&sum, &product, &sum)
	}
	if (sum.X.IsZero() && sum.Y.IsZero()) || sum.Z.IsZero() {
		return false // infinity
	}
	sum.ToAffine()
	return !sum.Y.IsOdd() && r.Equals(&sum.X)
}

const (
	digits = 64 // of a scalar, four bits each
	values = 15 // of a digit that is not zero
)

// multiples are those of a point P that its product with any scalar is a sum of: [i][d-1] is d * 16^i * P.
type multiples [digits][values]point

// multiples computes them.
func (p *point) multiples() *multiples {
	points := make([]btcec.JacobianPoint, digits*values)
	base := p.jacobian()
	for i := range digits {
		row := points[i*values : (i+1)*values]
		row[0] = base
		for d := 1; d < values; d++ {
			btcec.AddNonConst(&row[d-1], &base, &row[d])
		}
		var next btcec.JacobianPoint
		btcec.AddNonConst(&row[values-1], &base, &next)
		base = next
	}
	out := new(multiples)
	// All are divided by their Z at the price of one division: before[n] is the product of those before n.
	before := make([]btcec.FieldVal, len(points))
	var product btcec.FieldVal
	product.SetInt(1)
	for n := range points {
		before[n] = product
		product.Mul(&points[n].Z)
	}
	product.Inverse() // none is zero: d * 16^i is no multiple of the order, which is prime
	for n := len(points) - 1; n >= 0; n-- {
		var inverse, square, cube btcec.FieldVal
		inverse.Mul2(&product, &before[n])
		square.SquareVal(&inverse)
		cube.Mul2(&square, &inverse)
		product.Mul(&points[n].Z)
		to := &out[n/values][n%values]
		to.x.Mul2(&points[n].X, &square).Normalize()
		to.y.Mul2(&points[n].Y, &cube).Normalize()
	}
	return out
}

// addTo adds k * P to sum.
func (m *multiples) addTo(sum *btcec.JacobianPoint, k *btcec.ModNScalar) {
	bytes := k.Bytes() // the highest first
	for i := range m {
		digit := bytes[len(bytes)-1-i/2]
		if i%2 == 1 {
			digit >>= 4
		}
		if digit &= 15; digit > 0 {
			j := m[i][digit-1].jacobian()
			btcec.AddNonConst(sum, &j, sum)
		}
	}
}
