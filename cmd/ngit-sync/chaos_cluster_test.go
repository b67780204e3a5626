package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// cluster is a Postgres of its own that can be killed: the one that the other tests use serves other packages too.
type cluster struct {
	url  *url.URL
	db   *sql.DB
	data string
	args []string // of the server's process
	uid  uint32
	gid  uint32
	over chan struct{} // after it was killed: the server that we started has ended
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	cmd := exec.Command("sh", "../../scripts/postgres.sh", "run", "sh", "-c", `echo "$TEST_NGIT_SYNC_POSTGRES"; exec cat >/dev/null`)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TEST_NGIT_SYNC_POSTGRES=") })
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err, "no Postgres to test with: scripts/deps.sh installs one")
	c := &cluster{}
	t.Cleanup(func() { // the script stops the server, whoever started it
		require.NoError(t, errors.Join(c.db.Close(), stdin.Close(), cmd.Wait()))
		if c.over != nil {
			<-c.over
		}
	})
	c.url, err = url.Parse(strings.TrimSpace(line))
	require.NoError(t, err)
	c.db, err = sql.Open("pgx", c.url.String())
	require.NoError(t, err)
	c.db.SetMaxIdleConns(0) // a process that served one would answer for a while after its server has died
	require.NoError(t, c.db.QueryRowContext(t.Context(), "SHOW data_directory").Scan(&c.data))
	pid, err := c.pid()
	require.NoError(t, err)
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	require.NoError(t, err)
	c.args = strings.Split(string(bytes.TrimSuffix(cmdline, []byte{0})), "\x00")
	info, err := os.Stat(c.data)
	require.NoError(t, err)
	owner, ok := info.Sys().(*syscall.Stat_t)
	require.True(t, ok)
	c.uid, c.gid = owner.Uid, owner.Gid
	return c
}

// pid is the server's first process.
func (c *cluster) pid() (int, error) {
	text, err := os.ReadFile(filepath.Join(c.data, "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strconv.Atoi(first)
}

// through is the database's URL by way of another address. Its server commits as one does that nobody has told otherwise.
func (c *cluster) through(addr string) string {
	u := *c.url
	u.Host = addr
	query := u.Query()
	query.Set("synchronous_commit", "on")
	u.RawQuery = query.Encode()
	return u.String()
}

// killBackend kills a process that serves the daemon: the server ends all others, recovers and goes on. False: there is none.
func (c *cluster) killBackend(ctx context.Context) (bool, error) {
	var pid int
	err := c.db.QueryRowContext(ctx, "SELECT pid FROM pg_stat_activity WHERE application_name = 'ngit-sync' ORDER BY backend_start LIMIT 1").Scan(&pid)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, nil //nolint:nilerr // it recovers from something else just now
	}
	return true, syscall.Kill(pid, syscall.SIGKILL)
}

// kill ends the server in the middle of whatever it does.
func (c *cluster) kill() error {
	pid, err := c.pid()
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	if c.over != nil {
		<-c.over
	}
	return nil
}

// start starts a server that was killed, and waits until it answers. What served the connections of the one before ends first.
func (c *cluster) start(ctx context.Context) error {
	var said bytes.Buffer
	for end := time.Now().Add(patience); time.Now().Before(end) && ctx.Err() == nil; {
		said.Reset()
		cmd := exec.Command(c.args[0], c.args[1:]...)
		cmd.Dir, cmd.Stderr = c.data, &said
		if os.Geteuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.uid, Gid: c.gid}}
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		exited := make(chan struct{})
		go func() {
			_ = cmd.Wait() // said says why
			close(exited)
		}()
		for running := true; running; {
			if c.db.PingContext(ctx) == nil {
				c.over = exited
				return nil
			}
			select {
			case <-exited:
				running = false
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return fmt.Errorf("postgres does not start again: %s", &said)
}
