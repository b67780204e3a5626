package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/nbd-wtf/go-nostr"
	lib "github.com/nbd-wtf/go-nostr/nip77/negentropy"
	"github.com/nbd-wtf/go-nostr/nip77/negentropy/storage/vector"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/negentropy"
	ledger "github.com/ngit-sync/ngit-sync/internal/store"
)

// ledgerYears is how far the events of the large ledger are spread. Nobody signs them: only their ids, dates and tags count.
const ledgerYears = 5

// numbered gives event n of the large ledger, a comment on one of 1,000 roots of one repository.
func numbered(n, of int) (*event.Event, error) {
	root := fmt.Sprintf("%064x", n%1000)
	e := nostr.Event{
		Kind: event.KindComment, PubKey: fmt.Sprintf("%064x", n%300), Sig: strings.Repeat("0", 128),
		CreatedAt: epoch - ledgerYears*365*86_400 + nostr.Timestamp(float64(n)/float64(of)*ledgerYears*365*86_400),
		Tags:      nostr.Tags{{"A", coordinate(0)}, {"K", "1621"}, {"E", root}, {"e", root}, {"p", root}},
		Content:   fmt.Sprint(n),
	}
	e.ID = e.GetID()
	return event.Wrap(e)
}

// reconcileLedger measures our side of a reconciliation of very many ids: reading them, and comparing them with a relay that has
// one in a hundred more.
func (l *lab) reconcileLedger() (err error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.deadline)
	defer cancel()
	database := l.database
	if database == "" {
		database = "sqlite:" + filepath.Join(l.dir, "ledger.db")
	}
	add := func(what, unit string, v float64, m *must) { l.figures.add("ledger", what, unit, v, m) }
	missing := 0
	if l.run == 0 { // the others read what the first has written
		err = fillLedger(ctx, database, func(yield func(*event.Event) error) error {
			return l.manyEvents(func(e *event.Event, lacking bool) error {
				if lacking {
					return nil
				}
				return yield(e)
			})
		})
		if err != nil {
			return err
		}
	}
	s, err := ledger.Open(ctx, database, ledger.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close(ctx)) }()

	stop := watchHeap()
	set, err := ourSide(ctx, s)
	if err != nil {
		return err
	}
	peakReading, held := stop(), set.Len()
	runtime.KeepAlive(set)
	began := time.Now()
	if set, err = ourSide(ctx, s); err != nil {
		return err
	}
	read := time.Since(began)

	theirs := vector.New()
	err = l.manyEvents(func(e *event.Event, lacking bool) error {
		if lacking {
			missing++
		}
		theirs.Insert(e.CreatedAt, e.ID.String())
		return nil
	})
	if err != nil {
		return err
	}
	theirs.Seal()
	got, err := reconcileSet(set, lib.New(theirs, frameBytes), nil)
	if err != nil {
		return err
	}
	again, err := reconcileSet(set, lib.New(theirs, frameBytes), watchHeap())
	switch {
	case err != nil:
		return err
	case held != l.ids-missing || got.needs != missing || again.needs != missing:
		return fmt.Errorf("%d ids of ours and %d missing; %d and %d are expected", held, got.needs, l.ids-missing, missing)
	}
	add("ids", "", float64(held), nil)
	add("our side is read and sorted in", "s", read.Seconds(), nil)
	add("that is, for 100,000 ids", "s", read.Seconds()*1e5/float64(held), atMost(0.5))
	add("CPU of the reconciliation, 1 % missing here", "s", got.cpu.Seconds(), atMost(0.6))
	add("messages", "", float64(got.rounds), nil)
	add("their bytes, both ways", "MB", got.wire/1e6, nil)
	add("peak memory for the ids, while they are read", "MiB", peakReading/(1<<20), atMost(64))
	add("the same while they are reconciled", "MiB", (float64(held*idMemory)+again.peak)/(1<<20), atMost(64))
	return nil
}

// idMemory is what a sealed set holds for an id: created_at, the id and a part of a sum.
const idMemory = 41

// manyEvents gives the events of the large ledger, and says which of them we lack.
func (l *lab) manyEvents(yield func(e *event.Event, lacking bool) error) error {
	lacks := rand.New(rand.NewPCG(7, 8))
	for n := range l.ids {
		e, err := numbered(n, l.ids)
		if err != nil {
			return err
		}
		if err := yield(e, lacks.IntN(missingShare) == 0); err != nil {
			return err
		}
	}
	return nil
}

// ourSide reads what a connection reads for one filter.
func ourSide(ctx context.Context, s *ledger.Store) (*negentropy.Set, error) {
	b := negentropy.NewBuilder()
	f := nostr.Filter{Tags: nostr.TagMap{"A": {coordinate(0)}}}
	err := s.Known(ctx, f, func(createdAt int64, id event.ID) { b.Add(createdAt, id) })
	return b.Seal(), err
}

// reconciled is what the asking side of a reconciliation took.
type reconciled struct {
	needs, rounds int
	cpu           time.Duration
	wire          float64 // bytes, in hex digits
	peak          float64 // bytes beside the set
}

// reconcileSet asks a peer for what a set lacks, as a connection does but for the socket.
func reconcileSet(set *negentropy.Set, peer *lib.Negentropy, stop func() float64) (r reconciled, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const thisThread = 1 // RUSAGE_THREAD
	i, done := negentropy.New(set, negentropy.DefaultLimits()), false
	for reply := i.Start(); !done; {
		text := hex.EncodeToString(reply)
		answer, err := peer.Reconcile(text)
		if err != nil {
			return r, fmt.Errorf("the peer: %w", err)
		}
		r.wire += float64(len(text) + len(answer))
		before, err := timeOf(thisThread)
		if err != nil {
			return r, err
		}
		raw, err := hex.DecodeString(answer)
		if err != nil {
			return r, err
		}
		if reply, done, err = i.Next(raw); err != nil {
			return r, err
		}
		after, err := timeOf(thisThread)
		if err != nil {
			return r, err
		}
		r.cpu += after - before
	}
	r.needs, r.rounds = i.Stats().Needs, i.Stats().Rounds
	if stop != nil {
		r.peak = stop()
	}
	runtime.KeepAlive(i)
	return r, nil
}
