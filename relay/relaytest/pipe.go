package relaytest

import (
	"context"
	"net"
	"sync"
	"syscall"
)

// pipeListener is a net.Listener whose connections are in memory.
type pipeListener struct {
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{accept: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) dial(ctx context.Context) (net.Conn, error) {
	client, server := newWire()
	select {
	case l.accept <- server:
		return client, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// Network is many relays by host name, for one Dialer. An unknown name is a DNS failure.
type Network struct {
	mu     sync.Mutex
	relays map[string]*Relay
}

// Add gives a relay a host[:port]; without a port it answers on any.
func (n *Network) Add(host string, r *Relay) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.relays == nil {
		n.relays = map[string]*Relay{}
	}
	n.relays[host] = r
}

// DialContext connects to the relay of that name.
func (n *Network) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	r := n.relays[addr]
	if r == nil {
		r = n.relays[host]
	}
	n.mu.Unlock()
	if r == nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
	}
	return r.DialContext(ctx, network, addr)
}
