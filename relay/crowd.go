package relay

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// CrowdedError says that enough connections to an address are open already.
type CrowdedError struct {
	Addr netip.Prefix
	Open int
}

func (e *CrowdedError) Error() string {
	return fmt.Sprintf("%d connections to %s are open", e.Open, e.Addr)
}

// crowd opens the sockets of strangers, at most a number for each address: many names may lead to one machine (DESIGN §5,
// Manners). An IPv6 address stands for its /64, which is what one customer gets. The count is taken at the socket, after
// DNS, for every attempt, and given back when the socket closes. Ranges that the operator allows are the operator's own and
// are not counted.
type crowd struct {
	guard    guard
	exempt   []netip.Prefix
	most     int
	wait     time.Duration // for DNS and TCP, over all addresses
	resolver *net.Resolver // nil: the system's

	mu   sync.Mutex
	open map[netip.Prefix]int
}

// DialContext is that of http.Transport.
func (c *crowd) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	a := &attempt{crowd: c}
	nd := net.Dialer{Timeout: c.wait, Resolver: c.resolver, ControlContext: a.control}
	conn, err := nd.DialContext(ctx, network, addr)
	if err != nil {
		a.leave(netip.Prefix{})
		if a.full != nil {
			err = a.full // an address that was not tried might have answered
		}
		return nil, err
	}
	key := crowdKey(conn.RemoteAddr().String())
	if !a.leave(key) {
		return conn, nil
	}
	return &counted{Conn: conn, leave: sync.OnceFunc(func() { c.leave(key) })}, nil
}

func (c *crowd) enter(key netip.Prefix) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[key] >= c.most {
		return &CrowdedError{Addr: key, Open: c.open[key]}
	}
	if c.open == nil {
		c.open = map[netip.Prefix]int{}
	}
	c.open[key]++
	return nil
}

func (c *crowd) leave(key netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[key]--; c.open[key] <= 0 {
		delete(c.open, key)
	}
}

// counts reports whether an address is counted at all.
func (c *crowd) counts(key netip.Prefix) bool {
	if !key.IsValid() {
		return false
	}
	for _, p := range c.exempt {
		if p.Overlaps(key) {
			return false
		}
	}
	return true
}

// attempt is one dial. It may try several addresses, two at the same time.
type attempt struct {
	crowd *crowd

	mu   sync.Mutex
	held []netip.Prefix
	full error // of the first address that was left out
	over bool  // nothing is written afterwards
}

// control is a net.Dialer.ControlContext.
func (a *attempt) control(ctx context.Context, network, address string, rc syscall.RawConn) error {
	if err := a.crowd.guard.control(ctx, network, address, rc); err != nil {
		return err
	}
	key := crowdKey(address)
	if !a.crowd.counts(key) {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return net.ErrClosed // the other address family was faster
	}
	if err := a.crowd.enter(key); err != nil {
		if a.full == nil {
			a.full = err
		}
		return err
	}
	a.held = append(a.held, key)
	return nil
}

// leave ends the attempt and gives back what it holds, but one place for the address that stays open. It reports whether there
// is such a place.
func (a *attempt) leave(stays netip.Prefix) (held bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	for _, key := range a.held {
		if key == stays && !held {
			held = true
			continue
		}
		a.crowd.leave(key)
	}
	return held
}

// crowdKey is what is counted as one address; invalid when there is none.
func crowdKey(address string) netip.Prefix {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return netip.Prefix{}
	}
	addr := carried(ap.Addr().WithZone("").Unmap())
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	key, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return key
}

// counted is a connection that holds a place until it is closed.
type counted struct {
	net.Conn
	leave func()
}

func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
