package sync

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

const ours = "git.example.com"

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// script drives an engine without goroutines: inputs in, effects out, time by hand.
type script struct {
	t     *testing.T
	cfg   Config
	e     *Engine
	now   time.Time
	state *memory
	live  map[relay.ConnID][]relay.SetLive
	asked map[relay.BatchID]question
	order []relay.BatchID
	hung  []relay.ConnID
	dials []Dial
	own   []AskOwn
	away  bool // the own relay does not answer AskOwn
	pict  uint64

	ledger   Recalled // the answer to every question
	recalled []RecallQuery
	hold     bool // questions to the ledger stay in held
	held     []Recall
	watch    func(Effect) // sees every effect, in order; nil: nobody does
}

type question struct {
	conn  relay.ConnID
	batch relay.Batch
}

func newScript(t *testing.T, change ...func(*Config)) *script {
	cfg := DefaultConfig()
	cfg.Rules.Domains = []string{ours}
	cfg.FullJitter = 0
	cfg.Seed = 1
	for _, f := range change {
		f(&cfg)
	}
	s := &script{t: t, cfg: cfg, now: t0, state: newMemory()}
	s.restart()
	return s
}

// restart makes a new engine from what the old one stored.
func (s *script) restart() {
	s.live, s.asked = map[relay.ConnID][]relay.SetLive{}, map[relay.BatchID]question{}
	s.order, s.hung, s.dials, s.own, s.held, s.pict = nil, nil, nil, nil, nil, 0
	e, err := New(s.cfg, s.state.state(), zaptest.NewLogger(s.t), NewMetrics(nil), s.now)
	require.NoError(s.t, err)
	s.e = e
	e.Start(s.now)
	s.take()
}

func (s *script) take() {
	effects := s.e.Take()
	for _, x := range effects {
		if s.watch != nil {
			s.watch(x)
		}
		switch x := x.(type) {
		case Recall:
			s.recalled = append(s.recalled, x.Query)
			if s.hold {
				s.held = append(s.held, x)
				continue
			}
			s.e.Recalled(x.Number, s.ledger, nil, s.now)
		case Dial:
			s.dials = append(s.dials, x)
		case Hangup:
			s.hung = append(s.hung, x.ID)
		case Persist:
			s.state.apply(x.Rows)
		case AskOwn:
			s.own = append(s.own, x)
			if !s.away {
				s.e.Facts(selfsub.Facts{Picture: s.pict, Up: true, Answered: true}, s.now)
			}
		case Tell:
			switch c := x.Command.(type) {
			case relay.SetLive:
				s.live[x.ID] = append(s.live[x.ID], c)
			case relay.AskBatch:
				require.NotEmpty(s.t, s.live[x.ID], "live is opened before history is asked")
				s.asked[c.Batch.ID] = question{x.ID, c.Batch}
				s.order = append(s.order, c.Batch.ID)
			case relay.CancelBatch:
				delete(s.asked, c.ID)
			}
		}
	}
	if len(effects) > 0 {
		s.take()
	}
}

// elapse lets time pass, stopping wherever the engine wants to be woken.
func (s *script) elapse(d time.Duration) {
	end := s.now.Add(d)
	for {
		next := s.e.Next()
		if next.IsZero() || next.After(end) {
			break
		}
		require.False(s.t, next.Before(s.now), "woken in the past")
		s.now = next
		s.e.Tick(s.now)
		s.take()
	}
	s.now = end
}

func (s *script) facts(f selfsub.Facts) {
	f.Up = true
	s.e.Facts(f, s.now)
	s.take()
}

// picture says that the own relay holds these announcements and roots, and nothing else.
func (s *script) picture(anns []*nip34.Announcement, roots ...selfsub.Root) {
	s.pict++
	s.facts(selfsub.Facts{Announcements: anns, Roots: roots, Picture: s.pict, Loaded: true})
}

func (s *script) report(r relay.Report) {
	s.e.Report(r, s.now)
	s.take()
}

// conn is the newest connection of a relay.
func (s *script) conn(u relayurl.URL) relay.ConnID {
	s.t.Helper()
	for _, d := range slices.Backward(s.dials) {
		if d.URL == u {
			return d.ID
		}
	}
	s.t.Fatalf("%s was never dialled", u)
	return 0
}

func (s *script) up(u relayurl.URL) {
	s.t.Helper()
	s.upWith(u, relay.AssumedLimits())
}

func (s *script) upWith(u relayurl.URL, l relay.Limits) {
	s.t.Helper()
	s.report(relay.Up{ID: s.conn(u), At: s.now, Limits: l})
}

// recall answers the questions to the ledger that were held.
func (s *script) recall(answer Recalled, err error) {
	held := s.held
	s.held = nil
	for _, q := range held {
		s.e.Recalled(q.Number, answer, err, s.now)
	}
	s.take()
}

func (s *script) down(u relayurl.URL) {
	s.report(relay.Down{ID: s.conn(u), At: s.now, Failure: &health.Failure{Cause: health.CauseLost}})
}

func (s *script) mark(u relayurl.URL) { s.report(relay.LiveSettled{ID: s.conn(u), At: s.now}) }

// pending lists the unanswered batches of a relay, oldest first.
func (s *script) pending(u relayurl.URL) []relay.Batch {
	var out []relay.Batch
	for _, id := range s.order {
		if q, ok := s.asked[id]; ok && s.e.lookup(u) != nil && q.conn == s.conn(u) {
			out = append(out, q.batch)
		}
	}
	return out
}

func (e *Engine) lookup(u relayurl.URL) *remote { return e.relays[u] }

// settle ends a batch well.
func (s *script) settle(b relay.Batch, learned ...event.ID) {
	q := s.asked[b.ID]
	delete(s.asked, b.ID)
	s.report(relay.Settled{ID: q.conn, Batch: b.ID, At: s.now, Final: true, Filters: allDone(b), Learned: learned, New: len(learned)})
}

// settleAll answers everything that a relay is asked until it is asked nothing more.
func (s *script) settleAll(u relayurl.URL) {
	s.t.Helper()
	for range 1000 {
		open := s.pending(u)
		if len(open) == 0 {
			return
		}
		s.settle(open[0])
	}
	s.t.Fatal("asked for ever")
}

func (s *script) phase(u relayurl.URL) Phase {
	r := s.e.relays[u]
	if r == nil {
		return Removed
	}
	return r.phase
}

// sync brings a relay from dialling to Connected.
func (s *script) sync(u relayurl.URL) {
	s.t.Helper()
	s.up(u)
	s.settleAll(u)
	require.Equal(s.t, Connected, s.phase(u))
}

func key(name string) event.PubKey { return event.PubKey(sha256.Sum256([]byte(name))) }

func id(name string) event.ID { return event.ID(sha256.Sum256([]byte(name))) }

// announce makes an announcement of owner/d that lists us and names these relays.
func announce(owner, d string, at time.Time, maintainers []string, relays ...relayurl.URL) *nip34.Announcement {
	return announcement(ours, owner, d, at, maintainers, relays...)
}

func announcement(host, owner, d string, at time.Time, maintainers []string, relays ...relayurl.URL) *nip34.Announcement {
	pk := key(owner)
	names := nostr.Tag{"relays", "wss://" + host}
	for _, u := range relays {
		names = append(names, string(u))
	}
	tags := nostr.Tags{{"d", d}, {"clone", fmt.Sprintf("https://%s/%s/%s.git", host, npub(pk), d)}, names}
	if len(maintainers) > 0 {
		m := nostr.Tag{"maintainers"}
		for _, n := range maintainers {
			m = append(m, key(n).String())
		}
		tags = append(tags, m)
	}
	ev := nostr.Event{PubKey: pk.String(), Kind: event.KindAnnouncement, CreatedAt: nostr.Timestamp(at.Unix()), Tags: tags, Sig: fmt.Sprintf("%0128x", 0)}
	ev.ID = ev.GetID()
	wrapped, err := event.Wrap(ev)
	if err != nil {
		panic(err)
	}
	a, err := nip34.ParseAnnouncement(wrapped)
	if err != nil {
		panic(err)
	}
	return a
}

func root(name string, repos ...event.Ref) selfsub.Root {
	return selfsub.Root{ID: id(name), CreatedAt: t0.Unix(), Refs: event.References{Refs: repos}}
}

// tagValues collects what a batch asks for under one tag, with the since that it carries.
func tagValues(bs []relay.Batch, tag string) map[string]int64 {
	out := map[string]int64{}
	for _, b := range bs {
		for _, f := range b.Filters {
			for _, v := range f.Tags[tag] {
				var since int64
				if f.Since != nil {
					since = int64(*f.Since)
				}
				out[v] = since
			}
		}
	}
	return out
}
