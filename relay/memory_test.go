package relay

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/heaptest"
	"github.com/ngit-sync/ngit-sync/internal/negentropy"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// elsewhereLedger keeps nothing: rows lie in the database.
type elsewhereLedger struct{ *memLedger }

func (elsewhereLedger) Record(Entry) Seq          { return 1 }
func (elsewhereLedger) Park(Waiting) (Seq, bool)  { return 1, true }
func (elsewhereLedger) Unpark(event.ID) Seq       { return 1 }
func (elsewhereLedger) Forget(ids []event.ID) Seq { return 1 }

// flooded is a core whose own relay is up, before a flood. What is told to others is not kept.
type flooded struct{ *core }

func newFlooded(change func(*PublisherOptions)) flooded {
	o := PublisherOptions{Ledger: elsewhereLedger{newMemLedger()}, Rules: nip34.Rules{Domains: []string{ourDomain}}}
	change(&o)
	f := flooded{newCore(o)}
	f.ownUp(benchStart, 0)
	f.observed(benchStart, Observed{Loaded: true})
	return f
}

// takes has the core take an event as a connection brings it; its signature is good.
func (f flooded) takes(conn ConnID, batch BatchID, e *event.Event) {
	f.deliver(benchStart, Delivery{Conn: conn, Source: relayurl.URL(fmt.Sprintf("wss://r%d.example", conn)), Batch: batch, Mode: modeOf(batch), Event: e, At: benchStart})
	for _, a := range f.take() {
		if v, ok := a.(verify); ok {
			f.verified(benchStart, v.event, true)
		}
	}
	f.take()
}

// hostile is an event as it comes over the wire, with tags of its own and a number that makes it another one.
func hostile(t *testing.T, n, kind int, tags nostr.Tags, content string) *event.Event {
	t.Helper()
	e := nostr.Event{
		PubKey: testKey(1).String(), CreatedAt: nostr.Timestamp(benchStart.Unix()), Kind: kind, Tags: tags,
		Content: fmt.Sprint(n, content), Sig: strings.Repeat("0", 128),
	}
	e.ID = e.GetID()
	raw, err := e.MarshalJSON()
	require.NoError(t, err)
	out, err := event.Parse(raw, event.Limits{})
	require.NoError(t, err)
	return out
}

// unmet are tags of n ids that nobody has.
func unmet(from, n int) nostr.Tags {
	tags := make(nostr.Tags, n)
	for i := range tags {
		tags[i] = nostr.Tag{"e", idNumber(from + i).String()}
	}
	return tags
}

// TestMemoryAtTheLimits brings several times as much as a limit allows, of what takes the most memory. A limit that takes long to reach is
// made smaller by a part. The table in docs/reference/limits.md is compared with this one.
func TestMemoryAtTheLimits(t *testing.T) {
	tests := []struct {
		name  string
		part  int64
		most  int64
		build func(t *testing.T) any
	}{
		{"the pending table, of events that wait for many others", 16, 24 << 20, func(t *testing.T) any {
			f := newFlooded(func(o *PublisherOptions) { o.PendingBytes = 16 << 20 })
			for n := range 60 {
				f.takes(ConnID(n%5), 0, hostile(t, n, 1, unmet(2000*n, 1990), ""))
			}
			return f
		}},
		{"the pending table, of small events", 20, 8 << 20, func(t *testing.T) any {
			f := newFlooded(func(o *PublisherOptions) { o.PendingEvents = 5000 })
			for n := range 10_000 {
				f.takes(ConnID(n%5), 0, hostile(t, n, 1, unmet(2*n, 2), ""))
			}
			return f
		}},
		{"ids that are known to be irrelevant", 20, 10 << 20, func(*testing.T) any {
			f := newFlooded(func(o *PublisherOptions) { o.IrrelevantIDs, o.IrrelevantPerSource = 50_000, 10_000 })
			for n := range 150_000 {
				f.loadBooked(idNumber(n), Irrelevant, relayurl.URL(fmt.Sprintf("wss://r%d.example", n%20)))
			}
			return f
		}},
		{"ids that were refused or superseded", 10, 20 << 20, func(*testing.T) any {
			f := newFlooded(func(o *PublisherOptions) { o.RefusedIDs = 50_000 })
			for n := range 150_000 {
				f.loadBooked(idNumber(n), Rejected, relayurl.URL(fmt.Sprintf("wss://r%d.example", n%20)))
				f.setOffer(idNumber(n), offerAfter(benchStart, Rejected, 0))
			}
			return f
		}},
		{"tombstones", 10, 10 << 20, func(*testing.T) any {
			f := newFlooded(func(o *PublisherOptions) { o.Tombstones = 50_000 })
			for n := range 150_000 {
				f.loadBooked(idNumber(n), Tombstone, relayurl.URL(fmt.Sprintf("wss://r%d.example", n%20)))
			}
			return f
		}},
		{"deletions kept with their targets", 1, 48 << 20, func(*testing.T) any {
			g := newGraves()
			for n := range 250_000 {
				g.add(Grave{Author: testKey(n % 50), Target: idNumber(n), By: idNumber(-n)})
			}
			return g
		}},
		{"events that the own relay has lost", 1, 12 << 20, func(*testing.T) any {
			l := make(losses)
			for n := range 10 {
				ids := make([]event.ID, 25_000)
				for i := range ids {
					ids[i] = idNumber(25_000*n + i)
				}
				l.sift(benchStart, ids, 1<<30)
			}
			return l
		}},
		{"events without an outcome, made of tags without text, of 20 relays", 16, 48 << 20, func(t *testing.T) any {
			f := newFlooded(func(o *PublisherOptions) { o.QueueBytes = 4 << 20 })
			f.observed(benchStart, announced(repo("a", 1, "x", benchStart)))
			f.take()
			tags := nostr.Tags{toRepo(1, "x")}
			for range 900 {
				tags = append(tags, append(nostr.Tag{"z"}, make([]string, 20)...))
			}
			for conn := ConnID(1); conn <= 20; conn++ {
				to := make(chan struct{}, 1)
				for n, in := 0, (intake{}); n < 100; n++ {
					if in.full() {
						break // nothing more is read
					}
					e := hostile(t, 1000*int(conn)+n, 1, tags, "")
					f.takes(conn, 1, e)
					if in.bytes += e.Weight(); in.bytes >= pageBytes/2 && !in.asked {
						in.asked = true
						f.askRoom(benchStart, room{conn, to})
					}
					f.take()
				}
			}
			return f
		}},
		{"announcements out of scope", 16, 8 << 20, func(*testing.T) any {
			s := newScope(nip34.Rules{Domains: []string{ourDomain}}, 20_000, foreignBytes/16)
			for n := range 100 {
				a := &nip34.Announcement{ID: idNumber(n), Ref: event.RepoRef(testKey(1), fmt.Sprint(n)), CreatedAt: 1}
				for i := range nip34.MaxClone {
					a.Clone = append(a.Clone, fmt.Sprintf("https://example.com/%d/%d/", n, i)+strings.Repeat("x", 500))
				}
				s.accept([]*nip34.Announcement{a}, nil)
			}
			return s
		}},
		{"documents of relays", 1, 12 << 20, func(*testing.T) any {
			d := &documents{age: time.Hour}
			for n := range 2 * maxDocuments {
				doc := Document{Name: strings.Repeat("n", n%64), Software: strings.Repeat("s", n%64), NIPs: make([]int, maxNIPs)}
				d.put(relayurl.URL(fmt.Sprintf("wss://%d.example/%s", n, strings.Repeat("p", 400))), remembered{doc: doc, at: benchStart})
			}
			return d
		}},
		{"series of metrics of a thousand relays", 1, 12 << 20, func(*testing.T) any {
			m := NewMetrics(nil)
			for n := range 5000 {
				u := relayurl.URL(fmt.Sprintf("wss://r%d.example", n))
				m.attempt(u, true)
				m.open(u)
				for _, kind := range []string{OffenceOffFilter, OffenceEndless, OffenceForged, OffenceMalformed, OffenceSignature} {
					m.offence(u, kind)
				}
				if n < 4000 {
					m.Forget(u)
				}
			}
			return m
		}},
		{"messages of a relay that wait to be handled", 1, 10 << 20, func(t *testing.T) any { return filled(t, 4<<20) }},
		{"messages to a relay that wait to be sent", 1, 10 << 20, func(t *testing.T) any {
			s := mustDial(t, NewDialer(DialerOptions{DialContext: unread(0)}))
			for s.queued.Load() < s.opts.SendBytes-60_000 {
				require.NoError(t, s.Send(make([]byte, 60_000)))
			}
			return s
		}},
		{"our side of a reconciliation", 20, 8 << 20, func(*testing.T) any {
			b := negentropy.NewBuilder()
			for n := range maxOurs / 20 {
				b.Add(int64(n), idNumber(n))
			}
			return b.Seal()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				heaptest.Under(t, tt.most, func() any { return tt.build(t) })
			})
		})
	}
}
