package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/zap"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// Options make a Server. Backend is required.
type Options struct {
	Backend Backend
	Info    Info
	Limits  Limits
	Log     *zap.Logger // nil: none
}

// Server serves one relay on one TCP address.
type Server struct {
	backend Backend
	info    []byte
	limits  Limits
	log     *zap.Logger

	listener net.Listener
	http     *http.Server
	hub      *hub
	backlog  *backlog

	verifying chan struct{} // one token per signature check
	querying  chan struct{} // one token per stored query
	sessions  atomic.Int64  // open reconciliations
	clients   atomic.Int64

	stop     chan struct{} // closed: take no more events, answer those taken, hang up
	stopping sync.Once
	ctx      context.Context // ends: hang up now
	cancel   context.CancelFunc
	running  sync.WaitGroup // clients
	served   chan struct{}  // http.Serve has returned
}

// Listen starts a server on a TCP address; port 0 takes a free one. It accepts connections when it returns.
func Listen(ctx context.Context, addr string, o Options) (*Server, error) {
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &Server{
		backend: o.Backend, limits: o.Limits.withDefaults(), log: o.Log, listener: ln, hub: newHub(),
		backlog:   newBacklog(o.Limits.withDefaults().TotalBytes),
		verifying: make(chan struct{}, 2*runtime.GOMAXPROCS(0)),
		querying:  make(chan struct{}, queriesAtOnce),
		stop:      make(chan struct{}), served: make(chan struct{}),
	}
	if s.log == nil {
		s.log = zap.NewNop()
	}
	s.info = o.Info.document(s.limits)
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.http = &http.Server{
		Handler: s, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: zap.NewStdLog(s.log.WithOptions(zap.IncreaseLevel(zap.WarnLevel))),
	}
	go s.hub.run(s.ctx)
	go func() {
		defer close(s.served)
		if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("relay stopped accepting", zap.Error(err))
		}
	}()
	return s, nil
}

// Addr is the address that it listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// URL is the websocket address.
func (s *Server) URL() string { return "ws://" + s.Addr() }

// Close stops accepting, answers the events that were taken, says goodbye and returns when all clients are gone. When ctx
// ends first they are cut off, and its error is returned.
func (s *Server) Close(ctx context.Context) error {
	s.stopping.Do(func() { close(s.stop) })
	err := s.http.Shutdown(ctx)
	gone := make(chan struct{})
	go func() {
		s.running.Wait()
		close(gone)
	}()
	select {
	case <-gone:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.cancel()
	<-gone
	<-s.hub.done
	<-s.served
	if err != nil {
		return fmt.Errorf("close relay: %w", err)
	}
	return nil
}

// Broadcast sends an event that reached the backend by another way to those who listen.
func (s *Server) Broadcast(e *event.Event) {
	raw, err := e.MarshalJSON()
	if err != nil {
		return // an Event has been parsed or wrapped, and marshals
	}
	s.hub.post(news{event: e.Event, raw: raw})
}

// ServeHTTP answers websockets, NIP-11 and people who point a browser at it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		s.serveClient(w, r)
	case r.Method == http.MethodOptions:
		allowAnyOrigin(w)
		w.WriteHeader(http.StatusNoContent)
	case strings.Contains(r.Header.Get("Accept"), "application/nostr+json"):
		allowAnyOrigin(w)
		w.Header().Set("Content-Type", "application/nostr+json")
		_, _ = w.Write(s.info) // the client's loss
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprintln(w, "This is a Nostr relay. Use a Nostr client to connect.")
	}
}

// allowAnyOrigin lets web clients read the document, as NIP-11 asks.
func allowAnyOrigin(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Headers", "*")
	h.Set("Access-Control-Allow-Methods", "GET, OPTIONS")
}

func (s *Server) serveClient(w http.ResponseWriter, r *http.Request) {
	// Entered before the look at stop, so that Close either sees this client or the client sees stop.
	s.running.Add(1)
	defer s.running.Done()
	defer s.clients.Add(-1)
	if s.clients.Add(1) > int64(s.limits.Clients) {
		http.Error(w, "too many connections", http.StatusServiceUnavailable)
		return
	}
	select {
	case <-s.stop:
		http.Error(w, "closing", http.StatusServiceUnavailable)
		return
	default:
	}
	// Any origin: a relay is there for web clients, and holds nothing that a browser's user could lend his name to.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		s.log.Debug("handshake refused", zap.String("from", r.RemoteAddr), zap.Error(err))
		return
	}
	conn.SetReadLimit(int64(s.limits.MessageBytes))
	c := newClient(s, conn, r.Host)
	s.log.Debug("client connected", zap.String("from", r.RemoteAddr))
	err = c.run(s.ctx)
	s.log.Debug("client gone", zap.String("from", r.RemoteAddr), zap.Error(err))
}
