//go:build !libsecp256k1

package event

import (
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/stretchr/testify/require"
)

// TestSignedByTheVectorsOfBIP340: those whose message has 32 bytes.
func TestSignedByTheVectorsOfBIP340(t *testing.T) {
	vectors := lines(t, "testdata/bip340.txt")
	require.Len(t, vectors, 14)
	for i, line := range vectors {
		words := strings.Fields(string(line))
		pk, err := ParsePubKey(words[0])
		require.NoError(t, err)
		hash, err := ParseID(words[1])
		require.NoError(t, err)
		var sig [64]byte
		require.NoError(t, decodeHex(sig[:], words[2]))
		p, ok := lift(pk)
		if !ok {
			require.Equal(t, "false", words[3])
			continue
		}
		want := words[3] == "true"
		require.Equal(t, want, signed(&p, nil, pk, hash, &sig), "vector %d", i)
		require.Equal(t, want, signed(&p, p.multiples(), pk, hash, &sig), "vector %d, with multiples", i)
	}
}

func scalarOf(t *testing.T, s string) (k btcec.ModNScalar) {
	t.Helper()
	raw, err := hex.DecodeString(strings.Repeat("0", 64-len(s)) + s)
	require.NoError(t, err)
	require.False(t, k.SetByteSlice(raw))
	return k
}

func requireSame(t *testing.T, want, got btcec.JacobianPoint, of any) {
	t.Helper()
	want.ToAffine()
	got.ToAffine()
	require.True(t, want.X.Equals(&got.X) && want.Y.Equals(&got.Y) && want.Z.Equals(&got.Z), "%v", of)
}

// A sum of multiples is the product, whatever it is added to: nothing, itself, its opposite.
func TestMultiplesMakeAnyProduct(t *testing.T) {
	const order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
	scalars := []btcec.ModNScalar{
		scalarOf(t, "0"), scalarOf(t, "1"), scalarOf(t, "2"), scalarOf(t, "f"), scalarOf(t, "10"), scalarOf(t, "11"),
		scalarOf(t, "f0"), scalarOf(t, strings.Repeat("1", 64)), scalarOf(t, "f"+strings.Repeat("0", 63)),
		scalarOf(t, order[:63]+"0"), scalarOf(t, strings.Repeat("e", 64)),
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		var raw [32]byte
		for i := range raw {
			raw[i] = byte(rng.Uint32())
		}
		var k btcec.ModNScalar
		k.SetBytes(&raw)
		scalars = append(scalars, k)
	}
	for n := range 2 {
		p, ok := lift(signedBy(t, n, "").PubKey)
		require.True(t, ok)
		m, j := p.multiples(), p.jacobian()
		for _, k := range scalars {
			var product, sum, double btcec.JacobianPoint
			btcec.ScalarMultNonConst(&k, &j, &product)
			m.addTo(&sum, &k)
			requireSame(t, product, sum, k)

			btcec.AddNonConst(&product, &product, &double)
			m.addTo(&sum, &k)
			requireSame(t, double, sum, k)

			k.Negate()
			m.addTo(&sum, &k)
			m.addTo(&sum, &k)
			requireSame(t, btcec.JacobianPoint{}, sum, k)
		}
	}
}

// Whoever has the key can make the sum infinity; no r is its x.
func TestSignedRefusesInfinity(t *testing.T) {
	d := scalarOf(t, "2") // of the second author
	e := signedBy(t, 1, "")
	var G btcec.JacobianPoint
	btcec.ScalarBaseMultNonConst(&d, &G)
	if G.ToAffine(); G.Y.IsOdd() {
		d.Negate()
	}
	p, ok := lift(e.PubKey)
	require.True(t, ok)
	for _, r := range []byte{0, 1} {
		var sig [64]byte
		sig[31] = r
		s := challenge(sig[:32], e.PubKey, e.ID)
		s.Mul(&d).PutBytesUnchecked(sig[32:])
		require.False(t, signed(&p, nil, e.PubKey, e.ID, &sig))
		require.False(t, signed(&p, p.multiples(), e.PubKey, e.ID, &sig))
	}
}

func TestVerifierRemembersFrequentAuthors(t *testing.T) {
	v := NewVerifier()
	e := signedBy(t, 1, "")
	for range worthwhile - 1 {
		require.True(t, v.Verify(e))
	}
	k := v.young[e.PubKey]
	require.Nil(t, k.multiples)
	require.True(t, v.Verify(e))
	m := k.multiples
	require.NotNil(t, m)
	require.True(t, v.Verify(e))
	require.Same(t, m, k.multiples, "computed once")
}

// A false signature earns nothing: who sends them does not make us compute.
func TestVerifierCountsGoodSignaturesOnly(t *testing.T) {
	v := NewVerifier()
	n := *signedBy(t, 1, "").Event
	n.Content = "forged"
	e, err := Wrap(n)
	require.NoError(t, err)
	for range 2 * worthwhile {
		require.False(t, v.Verify(e))
	}
	require.Zero(t, v.young[e.PubKey].checked)
	require.Nil(t, v.young[e.PubKey].multiples)
}

// Who writes on keeps his multiples, and the others do not make us compute in turn; who does not gives them up.
func TestVerifierGivesMultiplesToTheMostFrequent(t *testing.T) {
	v := NewVerifier()
	write := func(author, times int) *key {
		k := v.key(signedBy(t, author, "").PubKey)
		for range times {
			v.count(k)
		}
		return k
	}
	require.NotNil(t, write(0, worthwhile).multiples)
	require.NotNil(t, write(1, worthwhile).multiples)
	for len(v.hot) < multiplesKept {
		v.hot = append(v.hot, &key{multiples: new(multiples)})
	}
	first, second := write(0, worthwhile), write(1, worthwhile-1)
	require.Nil(t, write(multiplesKept, worthwhile).multiples, "the first has earned them anew")
	require.NotNil(t, first.multiples)
	require.NotNil(t, write(multiplesKept, worthwhile).multiples)
	require.Nil(t, second.multiples)
	require.Len(t, v.hot, multiplesKept)
	require.NotNil(t, write(1, worthwhile).multiples, "earned once more")
}

func TestVerifierForgetsAuthors(t *testing.T) {
	v := NewVerifier()
	seen, unseen := signedBy(t, 1, "").PubKey, signedBy(t, 2, "").PubKey
	v.key(unseen)
	k := v.key(seen)
	for range 2 {
		for n := 0; len(v.young) < keysKept; n++ {
			v.young[PubKey{byte(n), byte(n >> 8)}] = &key{}
		}
		require.Same(t, k, v.key(seen))
		v.key(signedBy(t, 3, "").PubKey)
		require.Same(t, k, v.key(seen), "who is seen stays")
		require.LessOrEqual(t, len(v.young), keysKept)
		delete(v.young, signedBy(t, 3, "").PubKey)
	}
	require.NotContains(t, v.young, unseen)
	require.NotContains(t, v.old, unseen)
}

func BenchmarkMultiples(b *testing.B) {
	p, ok := lift(signedBy(b, 1, "").PubKey)
	require.True(b, ok)
	for b.Loop() {
		p.multiples()
	}
}
