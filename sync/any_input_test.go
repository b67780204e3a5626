package sync

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay"
	"github.com/ngit-sync/ngit-sync/selfsub"
)

// chaos sends a script whatever may come, in any order, and watches what it does.
type chaos struct {
	*script
	rng  *rand.Rand
	open map[relay.ConnID]map[relay.BatchID]bool // connections that are up, and their unanswered asks
	subs map[relay.ConnID]map[string]bool
	old  []relay.Report // said before, to be said again
	n    int
}

func newChaos(t *testing.T, seed uint64) *chaos {
	c := &chaos{rng: rand.New(rand.NewPCG(seed, 11)), open: map[relay.ConnID]map[relay.BatchID]bool{}, subs: map[relay.ConnID]map[string]bool{}}
	c.script = newScript(t, func(cfg *Config) {
		cfg.TagsPerFilter, cfg.BatchChunks, cfg.ConcurrentDials, cfg.RootsPerRepo = 3, 3, 2, 20
		cfg.Pinned = []relayurl.URL{two}
		if seed%2 == 1 {
			cfg.MaxRelays, cfg.RelaysPerOwner = 3, 2
		}
	})
	if seed%4 == 3 {
		c.e.election.most = 1 // of those without a place
	}
	c.hold = true
	c.watch = c.see
	return c
}

func (c *chaos) see(x Effect) {
	switch x := x.(type) {
	case Tell:
		asks, ok := c.open[x.ID]
		require.True(c.t, ok, "a command for connection %d, which is not open: %T", x.ID, x.Command)
		switch cmd := x.Command.(type) {
		case relay.AskBatch:
			asks[cmd.Batch.ID] = true
			require.LessOrEqual(c.t, len(asks), 2*c.cfg.OpenBatches+2, "unanswered, the daily pass and the rotations included")
			require.NotEmpty(c.t, cmd.Batch.Filters)
			for _, f := range cmd.Batch.Filters {
				requireSound(c.t, f)
			}
		case relay.CancelBatch:
			require.True(c.t, asks[cmd.ID], "cancelled what was not asked")
			delete(asks, cmd.ID)
		case relay.SetLive:
			for _, id := range cmd.Close {
				require.True(c.t, c.subs[x.ID][id], "closed what was not open")
				delete(c.subs[x.ID], id)
			}
			for _, sub := range cmd.Open {
				c.subs[x.ID][sub.ID] = true
				require.NotContains(c.t, cmd.Close, sub.ID)
				for _, f := range sub.All() {
					requireSound(c.t, f)
				}
			}
		}
	case Hangup:
		if c.e.conns[x.ID] == nil { // else it is open until its Down
			delete(c.open, x.ID)
		}
	}
}

func (c *chaos) some(n int) int { return c.rng.IntN(n) }

var chaosRelays = []relayurl.URL{one, two, "wss://three.example.com/a", "wss://three.example.com/b", "wss://three.example.com/c", "wss://four.example.com"}

func (c *chaos) announcement() *nip34.Announcement {
	c.n++
	host := ours
	if c.some(4) == 0 {
		host = "elsewhere.example.com"
	}
	owners := []string{"alice", "bob", "carol"}
	var relays []relayurl.URL
	for _, u := range chaosRelays {
		if c.some(2) == 0 {
			relays = append(relays, u)
		}
	}
	var members []string
	if c.some(2) == 0 {
		members = []string{owners[c.some(3)]}
	}
	return announcement(host, owners[c.some(3)], []string{"tool", "lib"}[c.some(2)], t0.Add(time.Duration(c.n-c.some(10))*time.Second), members, relays...)
}

func (c *chaos) ref() event.Ref {
	return event.RepoRef(key([]string{"alice", "bob", "carol"}[c.some(3)]), []string{"tool", "lib"}[c.some(2)])
}

func (c *chaos) rootID() event.ID { return id(fmt.Sprint("root ", c.some(60))) }

func (c *chaos) facts() {
	f := selfsub.Facts{Picture: 1, Answered: c.some(3) == 0}
	for range c.some(3) {
		f.Announcements = append(f.Announcements, c.announcement())
	}
	for range c.some(5) {
		r := selfsub.Root{ID: c.rootID(), CreatedAt: c.now.Add(-time.Duration(c.some(1000)) * time.Hour).Unix()}
		if c.some(4) == 0 {
			r.Refs.IDs = []event.ID{c.rootID()}
		} else {
			r.Refs.Refs = []event.Ref{c.ref(), c.ref()}[:1+c.some(2)]
		}
		f.Roots = append(f.Roots, r)
	}
	c.away = c.some(3) == 0
	if c.some(10) == 0 || (!c.e.loaded && c.some(2) == 0) {
		c.pict++
		f.Loaded = true
	}
	f.Picture = max(1, c.pict)
	c.script.facts(f)
}

func (c *chaos) say(r relay.Report) {
	c.old = append(c.old, r)
	c.report(r)
}

// connection changes what is open.
func (c *chaos) connection() {
	for _, d := range c.dialsOpen() {
		switch c.some(4) {
		case 0:
			c.say(relay.Down{ID: d.ID, At: c.now, Failure: &health.Failure{Cause: health.CauseRefused}})
		case 1, 2:
			l := relay.AssumedLimits()
			l.Subscriptions, l.FiltersPerREQ = 1+c.some(9), 1+c.some(9)
			c.open[d.ID], c.subs[d.ID] = map[relay.BatchID]bool{}, map[string]bool{}
			c.say(relay.Up{ID: d.ID, At: c.now, Limits: l})
		}
	}
	if x, ok := c.any(); ok && c.some(4) == 0 {
		delete(c.open, x)
		c.say(relay.Down{ID: x, At: c.now, Failure: &health.Failure{Cause: health.CauseLost}})
	}
	for _, x := range c.hung {
		delete(c.open, x)
		c.say(relay.Down{ID: x, At: c.now})
	}
}

func (c *chaos) any() (relay.ConnID, bool) {
	all := slices.Sorted(maps.Keys(c.open))
	if len(all) == 0 {
		return 0, false
	}
	return all[c.some(len(all))], true
}

// answer settles something, well or badly, of a connection that is open or gone.
func (c *chaos) answer() {
	for _, x := range slices.Clone(c.order) {
		q, ok := c.asked[x]
		if !ok || c.some(3) > 0 {
			continue
		}
		ends := make([]relay.FilterEnd, max(0, len(q.batch.Filters)-c.some(2)))
		for i := range ends {
			ends[i] = [...]relay.FilterEnd{{Done: true}, {Done: true}, {Failed: true}, {Failed: true, Until: t0.Unix()}, {Done: true, Failed: true}}[c.some(5)]
		}
		s := relay.Settled{ID: q.conn, Batch: x, At: c.now, Final: c.some(4) > 0, Filters: ends, New: c.some(2)}
		for range c.some(3) {
			s.Learned = append(s.Learned, c.rootID())
		}
		if s.Final {
			delete(c.asked, x)
			delete(c.open[q.conn], x)
		}
		c.say(s)
	}
}

// remark is what a connection says beside answers.
func (c *chaos) remark() {
	x, _ := c.any()
	held := c.announcement()
	values := []string{c.ref().String(), c.rootID().String(), "tool", "nothing of ours"}
	c.say([]relay.Report{
		relay.LiveSettled{ID: x, At: c.now},
		relay.LiveSettled{ID: x, At: c.now},
		relay.Closed{ID: x, At: c.now, Sub: fmt.Sprint("l", c.some(4)), Reason: "error: no"},
		relay.Limited{ID: x, At: c.now, Reason: "rate-limited:", REQsPerMinute: c.some(100)},
		relay.Evidence{ID: x, At: c.now, Subscriptions: c.some(4), FiltersPerREQ: c.some(4), MessageBytes: c.some(2) * 5000, StateKinds: c.some(3) == 0},
		relay.Evidence{ID: x, At: c.now, Tag: "e", Value: values[c.some(len(values))]},
		relay.Foreign{ID: x, At: c.now},
		relay.Accepted{Events: []relay.AcceptedEvent{{
			ID: c.rootID(), Kind: 1111, CreatedAt: c.now.Add(-time.Duration(c.some(100)) * time.Hour).Unix(),
			Refs: event.References{IDs: []event.ID{c.rootID()}, Refs: []event.Ref{c.ref()}}, Lacks: []event.ID{id(fmt.Sprint("lack ", c.some(30)))},
		}}},
		relay.Holds{Announcements: anns(held), All: c.some(5) == 0},
		relay.Released{ID: held.ID, Ref: held.Ref, Served: c.some(2) == 0},
		relay.Released{ID: c.e.held[c.ref()], Ref: c.ref(), Served: c.some(2) == 0},
	}[c.some(11)])
}

// command is what the operator says, of a relay that is known, of a new one, or of all.
func (c *chaos) command() {
	u := slices.Concat(chaosRelays, []relayurl.URL{"", "wss://five.example.com", "wss://six.example.com"})[c.some(len(chaosRelays)+3)]
	verb := Verb(c.some(3))
	if u == "" {
		verb = SyncNow
	}
	before := c.e.relays[u]
	err := c.e.Order(Order{Verb: verb, URL: u}, c.now)
	c.take()
	switch r := c.e.relays[u]; {
	case verb == Pair:
		require.NoError(c.t, err)
		require.True(c.t, r.operator())
		for ref := range c.e.repos {
			require.Contains(c.t, r.wants, ref, "states are wanted of every repo")
		}
	case verb == Unpair && err == nil:
		require.Equal(c.t, Paired, map[bool]Origin{true: Paired}[before != nil])
		require.Equal(c.t, Discovered, r.origin)
		require.NotContains(c.t, c.e.operator, r)
		for _, w := range r.wants {
			require.True(c.t, w.listed || c.e.isHeld(w.repo.ref))
		}
	case verb == SyncNow && u != "":
		require.Equal(c.t, before == nil, errors.Is(err, ErrNotTracked) || before == nil && errors.Is(err, ErrNoPlace))
		require.Equal(c.t, before != nil && !before.operator() && before.place.IsZero(), before != nil && errors.Is(err, ErrNoPlace))
	}
}

func (c *chaos) step() {
	switch c.some(9) {
	case 0:
		c.facts()
	case 1, 2:
		c.connection()
	case 3, 4:
		c.answer()
	case 5:
		c.remark()
	case 6:
		c.elapse(time.Duration(c.some(100)*c.some(100)) * time.Second)
	case 7:
		c.command()
	default:
		if c.some(10) == 0 {
			c.lost()
		}
		var err error
		if c.some(3) == 0 {
			err = errors.New("database is away")
		}
		c.recall(Recalled{Replies: []event.ID{c.rootID()}, Authors: []event.PubKey{key("dave")}}, err)
		if len(c.old) > 0 { // what an older connection says is no news
			switch r := c.old[c.some(len(c.old))].(type) {
			case relay.Down:
				if _, open := c.open[r.ID]; !open && c.e.conns[r.ID] == nil {
					c.report(r)
				}
			case relay.Settled:
				if !c.open[r.ID][r.Batch] {
					c.report(r)
				}
			case relay.Evidence, relay.Closed, relay.LiveSettled:
				c.report(r)
			}
		}
	}
}

// stored gives what a restart must find again.
func stored(e *Engine) map[string]string {
	out := map[string]string{}
	for ref, r := range e.repos {
		var roots []string
		for _, v := range r.roots {
			roots = append(roots, e.names.roots.names[v].String()[:8])
		}
		out[ref.String()] = fmt.Sprint(r.coords, r.surveyed, roots, slices.Sorted(maps.Keys(r.wants)), e.isHeld(ref))
		for u, w := range r.wants {
			out[ref.String()+" at "+string(u)] = fmt.Sprint(w.states, w.coords.confirmed.Spans(), w.roots.confirmed.Spans(), w.around)
		}
		for x := range r.lacks {
			out["lack "+ref.String()+x.String()] = ""
		}
	}
	for u, r := range e.relays {
		if len(r.wants) == 0 && !r.operator() {
			continue // in its grace
		}
		row := r.row()
		out[string(u)] = fmt.Sprint(row.Cursor, row.LastFull, row.PassSince, row.PolledHot, row.PolledWarm, row.Announcements, row.Learned)
	}
	return out
}

// requireWants looks at what is wanted: of each relay that is tracked all repos that name it, and no more than states of the others.
func requireWants(t *testing.T, e *Engine) {
	for ref, r := range e.repos {
		now, ok := e.index.Repo(ref)
		require.True(t, ok)
		for u, w := range r.wants {
			require.Equal(t, slices.Contains(now.Relays, u) && !e.isHeld(ref), w.listed, "%s at %s", ref, u)
		}
		for _, u := range now.Relays {
			if e.relays[u] != nil {
				require.Contains(t, r.wants, u)
			}
		}
	}
	for ref, a := range e.next {
		last, known := e.index.Newest(ref)
		require.True(t, known && !e.isHeld(ref) && a.Supersedes(last))
	}
}

// requireHeld looks at what is held: it is the newest that is known, and of its repo nothing but states is wanted.
func requireHeld(t *testing.T, e *Engine) {
	for ref, id := range e.held {
		a, known := e.index.Newest(ref)
		require.True(t, known && a.ID == id)
		if r := e.repos[ref]; r != nil {
			for _, w := range r.wants {
				require.False(t, w.listed)
			}
		}
	}
}

func TestWhateverComesTheEngineKeepsItsWord(t *testing.T) {
	seeds := 60
	if testing.Short() {
		seeds = 10
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			c := newChaos(t, seed)
			for range 400 {
				c.step()
				if c.some(10) == 0 {
					requireElection(t, c.e)
				}
				requireHeld(t, c.e)
				requireWants(t, c.e)
				if c.some(50) == 0 {
					before := stored(c.e)
					again, err := New(c.cfg, c.state.state(), zap.NewNop(), NewMetrics(nil), c.now)
					require.NoError(t, err)
					for k, v := range stored(again) {
						require.Equal(t, before[k], v, k)
						delete(before, k)
					}
					require.Empty(t, before)
					clear(c.open)
					clear(c.subs)
					c.old = nil
					most := c.e.election.most
					c.restart()
					c.e.election.most = most
				}
			}
		})
	}
}
