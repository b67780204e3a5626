package demo

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// Source writes events: deterministic from a seed, signed, and in threads that hang together.
type Source struct {
	rand   *rand.Rand
	seed   uint64
	domain string
	people []identity
	repos  []*repo
	err    error // the first one; signing does not fail with keys that are in range
}

// identity is somebody who signs.
type identity struct {
	secret string
	pub    event.PubKey
}

func newSource(seed uint64, domain string) *Source {
	return &Source{rand: rand.New(rand.NewPCG(seed, 0x6e676974)), seed: seed, domain: domain}
}

// identity gives person number n, the same one for the same seed.
func (s *Source) identity(n int) identity {
	var in [16]byte
	binary.BigEndian.PutUint64(in[:8], s.seed)
	binary.BigEndian.PutUint64(in[8:], uint64(n))
	key := sha256.Sum256(in[:])
	id := identity{secret: hex.EncodeToString(key[:])}
	pub, err := nostr.GetPublicKey(id.secret)
	if err == nil {
		id.pub, err = event.ParsePubKey(pub)
	}
	s.note(err)
	return id
}

func (s *Source) note(err error) {
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("generate: %w", err)
	}
}

// sign makes an event.
func (s *Source) sign(by identity, kind int, at time.Time, content string, tags ...nostr.Tag) *event.Event {
	n := nostr.Event{Kind: kind, CreatedAt: nostr.Timestamp(at.Unix()), Content: content, Tags: tags}
	s.note(n.Sign(by.secret))
	e, err := event.Wrap(n)
	s.note(err)
	return e
}

// person is one of those who take part, some more often than others.
func (s *Source) person() identity {
	a, b := s.rand.IntN(len(s.people)), s.rand.IntN(len(s.people))
	return s.people[min(a, b)]
}

// chance is true n times in a hundred.
func (s *Source) chance(n int) bool { return s.rand.IntN(100) < n }

// between gives a moment in [from, to).
func (s *Source) between(from, to time.Time) time.Time {
	d := to.Sub(from)
	if d <= time.Second {
		return from
	}
	return from.Add(time.Duration(s.rand.Int64N(int64(d)))).Truncate(time.Second)
}

// few gives 0, 1, 2 ... with the given mean, the longer the rarer, at most ten times the mean.
func (s *Source) few(mean float64) int {
	n := 0
	for float64(n) < 10*mean && s.rand.Float64() < mean/(1+mean) {
		n++
	}
	return n
}

func pick[T any](s *Source, from []T) T { return from[s.rand.IntN(len(from))] }
