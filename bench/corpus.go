package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"

	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip19"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

const (
	loopback = "127.0.0.1"
	domain   = "bench.local" // of the own relay
	epoch    = 1_750_000_000 // of the first event: no run depends on the clock
	// ownersMost is how many keys announce; repository n belongs to key n modulo that. Two of them name every relay.
	ownersMost  = 10
	writersMost = 7
)

// spec says what a corpus holds. The same spec gives the same events, and so the same ids.
type spec struct {
	Version  int // of this generator: a change of the events counts it up
	Repos    int
	Roots    int // patches, pull requests and issues, in all
	Comments int // on them
	Live     int // comments that are not there at first, newer than all others
}

const corpusVersion = 1

// corpus is a network's worth of signed events. Announcements are not part of it: they name addresses, which change.
type corpus struct {
	spec
	stored []entry // oldest first
	live   []entry // oldest first
}

func secret(n int) string { return fmt.Sprintf("%064x", n+1) }

func owner(repo int) int { return repo % ownersMost }

func identifier(repo int) string { return fmt.Sprintf("repo-%d", repo) }

var publicKeys sync.Map

func public(key int) string {
	if pk, ok := publicKeys.Load(key); ok {
		return pk.(string)
	}
	pk, err := nostr.GetPublicKey(secret(key))
	if err != nil {
		panic(err) // secret is a valid key by construction
	}
	publicKeys.Store(key, pk)
	return pk
}

func coordinate(repo int) string {
	return fmt.Sprintf("%d:%s:%s", event.KindAnnouncement, public(owner(repo)), identifier(repo))
}

// announcement is a signed announcement that lists the sink's domain, and these relays.
func announcement(repo int, relays []string) (entry, error) {
	npub, err := nip19.EncodePublicKey(public(owner(repo)))
	if err != nil {
		return entry{}, err
	}
	e := &nostr.Event{
		Kind: event.KindAnnouncement, CreatedAt: nostr.Timestamp(epoch - 1 - repo),
		Tags: nostr.Tags{
			{"d", identifier(repo)}, {"name", identifier(repo)},
			{"clone", "https://" + domain + "/" + npub + "/" + identifier(repo) + ".git"},
			append(nostr.Tag{"relays", "wss://" + domain}, relays...),
		},
	}
	return sign(e, owner(repo))
}

func sign(e *nostr.Event, key int) (entry, error) {
	if err := e.Sign(secret(key)); err != nil {
		return entry{}, fmt.Errorf("sign: %w", err)
	}
	raw, err := e.MarshalJSON()
	if err != nil {
		return entry{}, fmt.Errorf("encode: %w", err)
	}
	return entry{event: e, raw: raw}, nil
}

// generate makes and signs a corpus, on all cores. Comments name their root's id, so roots are signed first.
func generate(s spec) (*corpus, error) {
	rng := rand.New(rand.NewPCG(1, uint64(s.Version)))
	drafts := make([]*nostr.Event, s.Roots+s.Comments+s.Live)
	keys := make([]int, len(drafts))
	var roots, comments []int
	for i := range drafts {
		// Roots are spread evenly over the time of all, the first event is one.
		stored := s.Roots + s.Comments
		if i < stored && len(roots)*stored <= i*s.Roots && len(roots) < s.Roots {
			drafts[i], keys[i] = root(rng, len(roots)%s.Repos, i), ownersMost+rng.IntN(writersMost)
			roots = append(roots, i)
			continue
		}
		drafts[i], keys[i] = &nostr.Event{}, ownersMost+rng.IntN(writersMost)
		comments = append(comments, i)
	}
	out := make([]entry, len(drafts))
	if err := signAll(drafts, keys, roots, out); err != nil {
		return nil, err
	}
	n := 0
	for _, i := range comments {
		for n < len(roots) && roots[n] < i {
			n++
		}
		on := rng.IntN(n)
		drafts[i] = comment(rng, drafts[roots[on]], on%s.Repos, i)
	}
	if err := signAll(drafts, keys, comments, out); err != nil {
		return nil, err
	}
	return &corpus{spec: s, stored: out[:s.Roots+s.Comments], live: out[s.Roots+s.Comments:]}, nil
}

// signAll signs the drafts with these indices into out.
func signAll(drafts []*nostr.Event, keys, indices []int, out []entry) error {
	workers := runtime.GOMAXPROCS(0)
	faults := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for j := w; j < len(indices) && faults[w] == nil; j += workers {
				i := indices[j]
				out[i], faults[w] = sign(drafts[i], keys[i])
			}
		})
	}
	wg.Wait()
	for _, err := range faults {
		if err != nil {
			return err
		}
	}
	return nil
}

// at dates event number n: two a second, so that a page may end within one.
func at(n int) nostr.Timestamp { return nostr.Timestamp(epoch + n/2) }

func root(rng *rand.Rand, repo, n int) *nostr.Event {
	e := &nostr.Event{CreatedAt: at(n), Tags: nostr.Tags{{"a", coordinate(repo)}, {"p", public(owner(repo))}}}
	switch n := rng.IntN(10); {
	case n < 6:
		e.Kind, e.Content = event.KindIssue, prose(rng, 600)
	case n < 8:
		e.Kind, e.Content = event.KindPatch, prose(rng, 2400)
	default:
		e.Kind, e.Content = event.KindPullRequest, prose(rng, 400)
	}
	e.Tags = append(e.Tags, nostr.Tag{"subject", prose(rng, 40)}, nostr.Tag{"t", "bench"})
	return e
}

// comment is a NIP-22 comment. Every other one names the repository too, so that layer 2 finds it; the rest is found by layer 3
// only.
func comment(rng *rand.Rand, on *nostr.Event, repo, n int) *nostr.Event {
	kind := fmt.Sprint(on.Kind)
	e := &nostr.Event{
		Kind: event.KindComment, CreatedAt: at(n), Content: prose(rng, 40+rng.IntN(400)),
		Tags: nostr.Tags{
			{"E", on.ID, "", on.PubKey}, {"K", kind}, {"P", on.PubKey},
			{"e", on.ID, "", on.PubKey}, {"k", kind}, {"p", on.PubKey},
		},
	}
	if n%2 == 0 {
		e.Tags = append(e.Tags, nostr.Tag{"A", coordinate(repo)}, nostr.Tag{"a", coordinate(repo)})
	}
	return e
}

var words = strings.Fields("the patch applies on main but the test of the parser fails when a line ends in a tab and nobody can say why so " +
	"please look at this again with the newest version thanks for the review it works here now merged")

// prose is text of about n bytes.
func prose(rng *rand.Rand, n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(words[rng.IntN(len(words))])
		b.WriteByte(" \n"[min(1, rng.IntN(12)/11)])
	}
	return b.String()
}
