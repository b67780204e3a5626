//go:build !linux

package badline

import (
	"context"
	"net"
)

// holdPort finds a free port and lets go of it: a socket that holds it would keep listeners out.
func holdPort() (*Port, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &Port{addr: l.Addr().String()}, l.Close()
}
