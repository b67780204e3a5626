package main

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/internal/web"
	"github.com/ngit-sync/ngit-sync/sync"
)

// change carries out what came over HTTP with the token.
func (d *daemon) change(ctx context.Context, o web.Order) error {
	done := make(chan error, 1)
	order := sync.Order{Done: done}
	switch o.Verb {
	case "sync":
		order.Verb = sync.SyncNow
	case "pair":
		order.Verb = sync.Pair
	case "unpair":
		order.Verb = sync.Unpair
	default:
		return fmt.Errorf("%w: %q", web.ErrMalformed, o.Verb)
	}
	if o.Relay != "" {
		u, err := relayurl.Canonical(o.Relay)
		if err != nil {
			return fmt.Errorf("%w: %w", web.ErrMalformed, err)
		}
		order.URL = u
	}
	r := d.ring.Load()
	if o.Rejected && order.Verb == sync.SyncNow {
		if n, ok := r.publisher.OfferRefused(); ok {
			d.log.Info("refused events may be offered again", zap.Int("events", n))
		}
	}
	select {
	case r.orders <- order:
	case <-ctx.Done():
		return fmt.Errorf("%w: the daemon is busy", web.ErrNotNow)
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: the daemon does not answer", web.ErrNotNow)
	}
}
