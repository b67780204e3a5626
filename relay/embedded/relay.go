package embedded

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/relay/embedded/server"
)

// Options say where the relay lives and what it takes.
type Options struct {
	Dir     string // of the events; created when it is not there
	Listen  string // host:port; port 0 takes a free one
	Rules   nip34.Rules
	Version string // of the program, for NIP-11
	Log     *zap.Logger
}

// Relay is a running relay.
type Relay struct {
	store  *store
	keeper *keeper
	server *server.Server
}

// Open starts the relay; it accepts connections when Open returns. ErrInUse: another one has the directory.
func Open(ctx context.Context, o Options) (_ *Relay, err error) {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	st, err := openStore(ctx, o.Dir)
	if err != nil {
		return nil, fmt.Errorf("embedded relay: %w", err)
	}
	k := newKeeper(st, o.Rules, o.Log)
	if err := k.fill(); err != nil {
		return nil, fmt.Errorf("embedded relay: %w", errors.Join(err, st.close()))
	}
	go k.run()
	srv, err := server.Listen(ctx, o.Listen, server.Options{
		Backend: k, Log: o.Log,
		Info: server.Info{
			Name:        "ngit-sync embedded relay",
			Description: "Stores the events of the git repositories (NIP-34) that it serves, and nothing else.",
			Software:    "https://github.com/ngit-sync/ngit-sync", Version: o.Version,
			NIPs: []int{9, 34, 62}, Restricted: true,
		},
	})
	if err != nil {
		k.stop()
		return nil, fmt.Errorf("embedded relay: %w", errors.Join(err, st.close()))
	}
	o.Log.Info("embedded relay listens", zap.String("url", srv.URL()), zap.String("data", o.Dir))
	return &Relay{store: st, keeper: k, server: srv}, nil
}

// URL is the websocket address.
func (r *Relay) URL() string { return r.server.URL() }

// SetRules changes what is in scope from here on. What is stored stays.
func (r *Relay) SetRules(rules nip34.Rules) { r.keeper.queue <- job{rules: &rules} }

// Close stops accepting, answers the events that were taken, hangs up and closes the store. When ctx ends first the
// clients are cut off; the store is closed all the same. It may be called once.
func (r *Relay) Close(ctx context.Context) error {
	start := time.Now()
	err := r.server.Close(ctx)
	r.keeper.stop()
	err = errors.Join(err, r.store.close())
	r.keeper.log.Info("embedded relay closed", zap.Duration("took", time.Since(start)), zap.Error(err))
	return err
}
