package badline

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// holdPort binds a socket that never listens. Linux lets others bind the same address by its name when both allow it, as all listeners
// of Go do, and gives it to nobody who asks for any.
func holdPort() (*Port, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	held := os.NewFile(uintptr(fd), "port")
	failed := func(call string, err error) (*Port, error) {
		return nil, errors.Join(os.NewSyscallError(call, err), held.Close())
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return failed("setsockopt", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return failed("bind", err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return failed("getsockname", err)
	}
	at, ok := name.(*syscall.SockaddrInet4)
	if !ok {
		return failed("getsockname", syscall.EAFNOSUPPORT)
	}
	return &Port{addr: fmt.Sprintf("127.0.0.1:%d", at.Port), held: held}, nil
}
