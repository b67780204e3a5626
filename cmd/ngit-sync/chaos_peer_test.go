package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/badline"
	"github.com/ngit-sync/ngit-sync/internal/nip34"
	"github.com/ngit-sync/ngit-sync/relay/embedded"
)

// Variables that make a test binary a relay: its directory, and where it listens.
const (
	peerDir    = "CHAOS_PEER_DIR"
	peerListen = "CHAOS_PEER_LISTEN"
)

// servePeer is a relay that keeps its events on disk, until standard input ends. It prints its URL.
func servePeer(dir string) int {
	ctx := context.Background()
	r, err := embedded.Open(ctx, embedded.Options{
		Dir: dir, Listen: os.Getenv(peerListen), Rules: nip34.Rules{Domains: []string{testDomain}},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(r.URL())
	_, _ = io.Copy(io.Discard, os.Stdin) // the end is what is waited for
	if err := r.Close(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// peer is a relay that runs as a process of its own, and can be killed. Its address and its events stay.
type peer struct {
	dir, url string
	cmd      *exec.Cmd
	stdin    io.Closer
}

// startPeer starts a relay for the first time.
func startPeer(t *testing.T) *peer {
	t.Helper()
	port, err := badline.HoldPort()
	require.NoError(t, err)
	t.Cleanup(port.Close)
	p := &peer{dir: t.TempDir(), url: "ws://" + port.Addr()}
	require.NoError(t, p.start())
	t.Cleanup(func() {
		if p.cmd != nil {
			require.NoError(t, p.signal(syscall.SIGCONT))
			require.NoError(t, p.stdin.Close())
			require.NoError(t, p.cmd.Wait())
		}
	})
	return p
}

func (p *peer) host() string { return strings.TrimPrefix(p.url, "ws://") }

func (p *peer) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), peerDir+"="+p.dir, peerListen+"="+p.host())
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return fmt.Errorf("a relay does not start: %w, %w", err, cmd.Wait())
	}
	p.url, p.cmd, p.stdin = strings.TrimSpace(line), cmd, stdin
	return nil
}

func (p *peer) signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// kill ends it in the middle of whatever it does.
func (p *peer) kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	_ = p.cmd.Wait() // the signal is its answer
	p.cmd = nil
	return nil
}
