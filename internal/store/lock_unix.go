//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// lockEvery is how often a lock file that is held is tried again: flock cannot wait with a deadline.
const lockEvery = 50 * time.Millisecond

// fileLock is an exclusive lock on a file, held until unlock or the end of the process. The file stays: removing it would
// let a third one in between.
type fileLock struct{ file *os.File }

// lockFile takes the lock, waiting for it at most wait; blocked hears once who has it. The error wraps ErrLocked when another
// has it for longer.
func lockFile(ctx context.Context, path string, wait time.Duration, blocked func(holder string)) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	retry := time.NewTicker(lockEvery)
	defer retry.Stop()
	for said := false; ; {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		if !said {
			said = true
			blocked(fmt.Sprintf("%s is locked by process %s", path, holder(f)))
		}
		select {
		case <-retry.C:
			continue
		case <-ctx.Done():
			err = ctx.Err()
		case <-deadline.C:
			err = fmt.Errorf("%w (%s is locked by process %s)", ErrLocked, path, holder(f))
		}
		return nil, errors.Join(err, f.Close())
	}
	l := &fileLock{f}
	if err := l.sign(); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), l.unlock())
	}
	return l, nil
}

// sign writes who holds the lock, for people.
func (l *fileLock) sign() error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func (l *fileLock) unlock() error { return l.file.Close() }

func holder(f *os.File) string {
	b := make([]byte, 16)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "?"
	}
	if pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n]))); err == nil {
		return strconv.Itoa(pid)
	}
	return "?"
}
