package diff

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/relay"
)

// Options say what to compare.
type Options struct {
	Own, Remote relay.ConnOptions // URL, Trust, Dialer and limits; sink, reports and commands are ours
	Rules       nip34.Rules
	Progress    func(Progress) // called now and then from Compare's goroutine; nil: nobody
	MostMissing int            // events that are named at most, 200,000
	MostBytes   int64          // of announcements that only the remote relay has, and of those that are not ours, each; 64 MiB
	Timeout     time.Duration  // of the whole comparison; 0: DefaultTimeout
}

// Progress is how far a comparison has got.
type Progress struct{ Repos, Of, Missing int }

// Result is what a remote relay has and the own relay lacks.
type Result struct {
	Known    int    // repositories
	Compared int    // of which everything was asked
	Repos    []Repo // those of which something is missing, by coordinate
	Events   int    // missing; one of two repositories counts once
	// What the remote relay has beyond, and the own relay has no use for.
	Superseded, Deleted, Invalid int
	Incomplete                   []string // why there may be more; hostile text
	TimeUp                       bool     // one of the reasons: Timeout was too short
	Gaps                         bool     // some second may hold more events than the remote relay can be made to show; what is behind it was read
}

// Repo is what is missing of one repository, newest first.
type Repo struct {
	Ref    event.Ref
	Events []Event
}

// DefaultTimeout is how long a comparison may take.
const DefaultTimeout = 30 * time.Minute

// ErrTimeUp is in the error of a comparison whose time was not enough for a result, not even an Incomplete one.
var ErrTimeUp = errors.New("time is up")

// Event is one that is missing.
type Event struct {
	ID        event.ID
	Kind      int
	CreatedAt int64 // seconds since 1970
	PubKey    event.PubKey
}

const (
	stepCoordinates = filters.DefaultValues
	stepRoots       = 1000
	stepIDs         = 300 // of one filter, DESIGN §5
	mostMissing     = 200_000
	foreignKept     = 100_000
	foreignBytes    = 64 << 20
	mostReasons     = 10
)

// Compare asks both relays. Its error says why there is no result; a remote relay that ends in the middle, or refuses a question, leaves a
// result that is Incomplete. So does the end of the time for questions, nine tenths of Timeout: the rest is for asking the own relay once more
// about what seems to be missing.
func Compare(ctx context.Context, o Options) (Result, error) {
	if o.MostMissing == 0 {
		o.MostMissing = mostMissing
	}
	if o.MostBytes == 0 {
		o.MostBytes = foreignBytes
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	whole, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	c := newComparison(o)
	c.wire = newWire(whole, o)
	defer c.wire.close()
	err := c.run(whole)
	if err != nil && whole.Err() != nil && ctx.Err() == nil {
		return Result{}, fmt.Errorf("%w after %s: %s", ErrTimeUp, o.Timeout, c.far())
	}
	if err != nil {
		return Result{}, err
	}
	c.res.Gaps = c.wire.gaps
	return c.result(), nil
}

// comparison is the state of one Compare.
type comparison struct {
	o       Options
	wire    *wire
	index   *nip34.Index
	foreign nip34.Foreign
	mine    map[event.ID]event.PubKey // what the own relay has shown, by author
	kept    map[event.Ref]bool        // coordinates of announcements that the own relay has shown
	newest  map[event.Ref]version     // replaceable events, of both relays
	missing map[event.ID]*missing
	roots   map[event.ID][]event.Ref // repos of the roots that are known
	res     Result
	ended   bool // the remote relay is not asked any more
}

func newComparison(o Options) *comparison {
	return &comparison{
		o: o, index: nip34.NewIndex(o.Rules), foreign: nip34.NewForeign(foreignKept, o.MostBytes), mine: map[event.ID]event.PubKey{},
		kept: map[event.Ref]bool{}, newest: map[event.Ref]version{}, missing: map[event.ID]*missing{}, roots: map[event.ID][]event.Ref{},
	}
}

func (c *comparison) run(ctx context.Context) error {
	for _, id := range []relay.ConnID{own, remote} {
		if err := c.wire.opened(ctx, id); err != nil {
			return err
		}
	}
	asking, cancel := context.WithTimeout(ctx, c.o.Timeout*9/10)
	defer cancel()
	switch err := c.ask(asking); {
	case err == nil:
	case asking.Err() != nil && ctx.Err() == nil:
		c.res.TimeUp = true
		c.incomplete(ErrTimeUp.Error() + ": " + c.far())
	default:
		return err
	}
	return c.doubt(ctx)
}

// ask goes through the repositories.
func (c *comparison) ask(ctx context.Context) error {
	err := c.announcements(ctx)
	repos := c.index.Roots()
	c.res.Known = len(repos)
	if err != nil {
		return err
	}
	for n := 0; n < len(repos) && !c.ended; {
		step, coords := n, []event.Ref(nil)
		for n < len(repos) {
			r, _ := c.index.Repo(repos[n])
			if n > step && len(coords)+len(r.Coordinates) > stepCoordinates {
				break
			}
			coords = append(coords, r.Coordinates...)
			n++
		}
		c.progress()
		if err := c.repos(ctx, coords); err != nil {
			return err
		}
		if !c.ended {
			c.res.Compared = n
		}
	}
	c.progress()
	return nil
}

func (c *comparison) progress() {
	if c.o.Progress != nil {
		c.o.Progress(Progress{c.res.Compared, c.res.Known, len(c.missing)})
	}
}

// far is how far the comparison has got, in words.
func (c *comparison) far() string {
	return fmt.Sprintf("%d of the %d repositories that are known were compared", c.res.Compared, c.res.Known)
}

// both asks the own relay, and then the remote one for what it has beyond.
func (c *comparison) both(ctx context.Context, fs []nostr.Filter, shown, found func(*event.Event)) error {
	var held []*event.Event
	err := c.askOwn(ctx, fs, func(e *event.Event) {
		c.mine[e.ID] = e.PubKey
		held = append(held, bare(e))
		shown(e)
	})
	if err != nil || c.ended {
		return err
	}
	err = c.wire.ask(ctx, question{to: remote, filters: fs, ours: side(held), knows: c.knows, shown: found})
	if err != nil && ctx.Err() == nil {
		_, part := errors.AsType[*partError](err)
		c.incomplete(err.Error())
		c.ended = c.ended || !part
		return nil
	}
	return err
}

// askOwn asks the own relay. What it does not answer would seem to be missing, so that ends the comparison.
func (c *comparison) askOwn(ctx context.Context, fs []nostr.Filter, shown func(*event.Event)) error {
	if len(fs) == 0 {
		return nil
	}
	return c.wire.ask(ctx, question{to: own, filters: fs, shown: shown})
}

func (c *comparison) incomplete(why string) {
	if len(c.res.Incomplete) < mostReasons && !slices.Contains(c.res.Incomplete, why) {
		c.res.Incomplete = append(c.res.Incomplete, why)
	}
}

func (c *comparison) knows(id event.ID) bool {
	_, mine := c.mine[id]
	_, missing := c.missing[id]
	return mine || missing
}

// repos compares what tags coordinates, their states, and what tags their roots.
func (c *comparison) repos(ctx context.Context, coords []event.Ref) error {
	slices.SortFunc(coords, event.Ref.Compare)
	coords = slices.Compact(coords)
	var names []string
	for _, ref := range coords {
		names = append(names, ref.D)
	}
	slices.Sort(names)
	fs := append(slices.Concat(filters.AboutRepos(coords, filters.DefaultValues)...), filters.StatesOf(slices.Compact(names), filters.DefaultValues)...)
	var roots []event.ID
	shown := func(e *event.Event) {
		c.replaced(e)
		if c.root(e) {
			roots = append(roots, e.ID)
		}
	}
	found := func(e *event.Event) {
		if c.found(e) && c.root(e) {
			roots = append(roots, e.ID)
		}
	}
	if err := c.both(ctx, fs, shown, found); err != nil {
		return err
	}
	for step := range slices.Chunk(roots, stepRoots) {
		fs := slices.Concat(filters.AboutRoots(step, filters.DefaultValues)...)
		if err := c.both(ctx, fs, func(e *event.Event) { c.replaced(e); c.root(e) }, func(e *event.Event) { c.found(e) }); err != nil {
			return err
		}
	}
	return nil
}

// side is our side of a reconciliation: what the own relay has just shown.
func side(held []*event.Event) relay.KnownIDs {
	return func(_ context.Context, f nostr.Filter, yield func(int64, event.ID)) error {
		set := filters.Compile([]nostr.Filter{f})
		var hits []int
		for _, e := range held {
			if hits = set.Match(e, hits[:0]); len(hits) > 0 {
				yield(int64(e.CreatedAt), e.ID)
			}
		}
		return nil
	}
}

// bare is an event without its text.
func bare(e *event.Event) *event.Event {
	wire, out := *e.Event, *e
	wire.Content, out.Event = "", &wire
	return &out
}
