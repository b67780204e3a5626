package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	startWait = 30 * time.Second
	stopWait  = 30 * time.Second
	logLines  = 200 // kept to be shown when something fails
)

// build compiles the daemon as `make build` does, and gives the path. With profile the binary profiles itself, see
// profile.go.
func build(ctx context.Context, dir, tags string, profile bool) (string, error) {
	module, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	root := strings.TrimSpace(string(module))
	binary := filepath.Join(dir, "ngit-sync")
	args := []string{"build", "-trimpath", "-tags", tags, "-o", binary}
	if profile {
		overlay, err := profileOverlay(dir, filepath.Join(root, "cmd", "ngit-sync"))
		if err != nil {
			return "", err
		}
		args = append(args, "-overlay", overlay)
	} else {
		args = append(args, "-ldflags", "-s -w")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/ngit-sync")...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the daemon: %w\n%s", err, out)
	}
	return binary, nil
}

// daemon is a running child process.
type daemon struct {
	o        daemonOptions // to start it again
	cmd      *exec.Cmd
	database string // file
	address  string // of its page and metrics
	log      tail
	exited   chan struct{}
	err      error // of the process, after exited
}

// daemonOptions is what a scenario says of its daemon.
type daemonOptions struct {
	binary  string
	dir     string // where one is made for configuration, database and profile
	home    string // of an earlier daemon whose work goes on; empty: a fresh one
	own     string
	sources []string // bootstrap
	extra   string   // more configuration
	env     []string // and more of it, as KEY=value
	from    string   // SQLite file that its database is a copy of; empty: a fresh one
	profile string   // where it writes its profiles; empty: none
	verbose io.Writer
}

// startDaemon runs the binary with an SQLite database of its own and waits until it listens.
func startDaemon(ctx context.Context, o daemonOptions) (*daemon, error) {
	dir := o.home
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp(o.dir, "daemon-*"); err != nil {
			return nil, err
		}
	}
	config := filepath.Join(dir, "ngit-sync.yaml")
	if err := os.WriteFile(config, []byte("network: {allow_private: [\"127.0.0.0/8\"]}\n"+o.extra), 0o600); err != nil {
		return nil, err
	}
	database := filepath.Join(dir, "ngit-sync.db")
	if o.from != "" {
		if err := copyFile(o.from, database); err != nil {
			return nil, err
		}
	}
	args := []string{
		"run", "--config", config, "--own-relay", o.own, "--domain", domain, "--listen", loopback + ":0",
		"--database", "sqlite:" + database,
	}
	for _, s := range o.sources {
		args = append(args, "--bootstrap", s)
	}
	o.home = dir
	d := &daemon{o: o, cmd: exec.Command(o.binary, args...), database: database, exited: make(chan struct{})}
	d.cmd.Dir = dir
	d.cmd.Env = append(os.Environ(), o.env...)
	if o.profile != "" {
		d.cmd.Env = append(d.cmd.Env, profileVariable+"="+o.profile)
	}
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the daemon: %w", err)
	}
	listening := make(chan string, 1)
	go func() {
		defer close(d.exited)
		d.follow(stderr, listening, o.verbose)
		d.err = d.cmd.Wait()
	}()
	select {
	case d.address = <-listening:
		return d, nil
	case <-d.exited:
		return nil, fmt.Errorf("the daemon ended: %w\n%s", d.err, &d.log)
	case <-time.After(startWait):
		err = fmt.Errorf("the daemon does not listen after %s\n%s", startWait, &d.log)
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, errors.Join(err, d.stop())
}

// follow reads the log to its end and finds the address in it.
func (d *daemon) follow(stderr io.Reader, listening chan<- string, verbose io.Writer) {
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		d.log.add(lines.Text())
		if verbose != nil {
			fmt.Fprintln(verbose, lines.Text())
		}
		var entry struct{ Msg, Address string }
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "http listening" {
			select {
			case listening <- entry.Address:
			default:
			}
		}
	}
	_, _ = io.Copy(io.Discard, stderr) // a line that is too long must not stop the daemon
}

func (d *daemon) usage() (usage, error) { return readUsage(d.cmd.Process.Pid) }

func (d *daemon) signal(s os.Signal) error { return d.cmd.Process.Signal(s) }

// killed ends the daemon as a crash does, and starts it again on what it has stored.
func (d *daemon) killed(ctx context.Context) (*daemon, error) {
	if err := d.signal(os.Kill); err != nil {
		return d, fmt.Errorf("kill the daemon: %w", err)
	}
	<-d.exited
	o := d.o
	o.from = "" // its database goes on
	again, err := startDaemon(ctx, o)
	if err != nil {
		return d, err
	}
	return again, nil
}

// stop ends the daemon as an operator does and waits for it.
func (d *daemon) stop() error {
	select {
	case <-d.exited:
		return fmt.Errorf("the daemon ended early: %w\n%s", d.err, &d.log)
	default:
	}
	if err := d.signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the daemon: %w", err)
	}
	select {
	case <-d.exited:
	case <-time.After(stopWait):
		_ = d.cmd.Process.Kill()
		<-d.exited
		return fmt.Errorf("the daemon did not end in %s\n%s", stopWait, &d.log)
	}
	if d.err != nil {
		return fmt.Errorf("the daemon ended: %w\n%s", d.err, &d.log)
	}
	return nil
}

// tail keeps the last lines of a log.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == logLines {
		t.lines = t.lines[1:]
	}
	t.lines = append(t.lines, line)
}

// String gives the kept lines.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}
