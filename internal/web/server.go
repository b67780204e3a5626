package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/net/netutil"
)

// Options of a Server. All fields but Hosts are needed.
type Options struct {
	Listen     string   // host:port; port 0 takes any free one
	Hosts      []string // names by which requests may come, beside addresses and names that only one's own network has
	Registry   prometheus.Gatherer
	Snapshot   func() Snapshot
	Conditions func() []Condition
	Token      string // that a change needs; empty: nothing can be changed
	// Change carries out a change. Its error wraps ErrMalformed or ErrNotNow, or says why the change makes no sense.
	Change func(ctx context.Context, o Order) error
	// Explain says what is known of an event or a repository, as a person names it. Its error wraps ErrMalformed, or is the database's.
	Explain func(ctx context.Context, name string) (Explanation, error)
	Log     *zap.Logger
}

// Bounds on what a client may cost.
const (
	maxConnections  = 256
	maxHeaderBytes  = 16 << 10
	maxAnswers      = 4 // that show relays, made or sent at once
	headerTimeout   = 5 * time.Second
	readTimeout     = 10 * time.Second
	writeTimeout    = 30 * time.Second
	turnTimeout     = 10 * time.Second // of a request, for its turn to be answered
	idleTimeout     = time.Minute
	shutdownTimeout = 5 * time.Second
)

// Server is the listener and what it serves.
type Server struct {
	listener net.Listener
	http     *http.Server
	log      *zap.Logger
}

// Listen takes the address, so that a taken port is an error of the start; Run serves.
func Listen(ctx context.Context, o Options) (*Server, error) {
	errorLog, err := zap.NewStdLogAt(o.Log, zap.DebugLevel) // clients that misbehave are no concern of the operator
	if err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	return &Server{
		listener: netutil.LimitListener(l, maxConnections),
		log:      o.Log,
		http: &http.Server{
			Handler:           Handler(o),
			ReadHeaderTimeout: headerTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			ErrorLog:          errorLog,
		},
	}, nil
}

// Addr is where it listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Run serves until ctx ends, then lets requests finish for at most 5 seconds. It returns when nothing of it runs any more,
// nil after ctx ended, and may be called once.
func (s *Server) Run(ctx context.Context) error {
	s.log.Info("http listening", zap.Stringer("address", s.Addr()))
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(s.listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("http: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := s.http.Shutdown(grace); err != nil {
		s.log.Warn("http requests cut off", zap.Error(err))
		_ = s.http.Close() // the cut is said already
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("http: %w", err)
	}
	return nil
}
