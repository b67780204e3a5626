package badline_test

import (
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/badline"
)

// Whoever names the port listens at it again and again. To the kernel it is taken all the same: by that nobody gets it who asks for any.
func TestAPortIsHeldWhileNobodyListens(t *testing.T) {
	p, err := badline.HoldPort()
	require.NoError(t, err)
	defer p.Close()
	alone := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		controlled := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 0) })
		require.NoError(t, controlled)
		return err
	}}
	for range 3 {
		_, err = new(net.Dialer).DialContext(t.Context(), "tcp", p.Addr())
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		_, err = alone.Listen(t.Context(), "tcp", p.Addr())
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", p.Addr())
		require.NoError(t, err)
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", p.Addr())
		require.NoError(t, err)
		require.NoError(t, c.Close())
		require.NoError(t, l.Close())
	}
}
