package badline

import (
	"fmt"
	"os"
)

// Port is a port of loopback that stays ours while nobody listens at it: whoever dials it is refused, whoever asks for any free port gets
// another, and whoever names it can listen at it.
type Port struct {
	addr string
	held *os.File // nil: not held
}

// HoldPort takes a free port until Close. Only Linux can hold it: elsewhere it is one that was free a moment ago.
func HoldPort() (*Port, error) {
	p, err := holdPort()
	if err != nil {
		return nil, fmt.Errorf("port: %w", err)
	}
	return p, nil
}

// Addr is its host:port.
func (p *Port) Addr() string { return p.addr }

// Close gives it back; again, it does nothing. Who listens at it goes on.
func (p *Port) Close() { _ = p.held.Close() } // nothing is written by it
