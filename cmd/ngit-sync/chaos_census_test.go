package main

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// census counts what a daemon holds: goroutines, open files by name, and sockets by who is at the other end.
type census map[string]int

// pooled is what the pools of database connections keep open, up to so many.
const pooled = 16

var goroutines = regexp.MustCompile(`(?m)^go_goroutines (\d+)$`)

func (p *process) census(names map[string]string) census {
	p.t.Helper()
	out := census{}
	_, metrics := p.get("/metrics")
	m := goroutines.FindStringSubmatch(metrics)
	require.NotNil(p.t, m)
	out["goroutines"], _ = strconv.Atoi(m[1])
	sockets := p.sockets()
	dir := fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid)
	fds, err := os.ReadDir(dir)
	require.NoError(p.t, err)
	for _, fd := range fds {
		to, err := os.Readlink(filepath.Join(dir, fd.Name()))
		if err != nil {
			continue // closed meanwhile
		}
		if far, ok := sockets[to]; ok {
			to = "socket: others"
			if name := names[far]; name != "" {
				to = "socket: " + name
			}
		} else {
			to, _, _ = strings.Cut(to, ":[") // the number of a pipe
		}
		out[to]++
	}
	return out
}

// sockets are the far ends of the open TCP sockets, by the name that a file descriptor has.
func (p *process) sockets() map[string]string {
	p.t.Helper()
	out := map[string]string{}
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", p.cmd.Process.Pid, table))
		require.NoError(p.t, err)
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			_, port, ok := strings.Cut(fields[2], ":")
			if !ok || len(fields) < 10 {
				continue // the head
			}
			n, err := strconv.ParseUint(port, 16, 16)
			require.NoError(p.t, err)
			out["socket:["+fields[9]+"]"] = net.JoinHostPort("127.0.0.1", fmt.Sprint(n))
		}
	}
	return out
}

// beyond lists what is more than before. The database's pools may have filled meanwhile.
func (c census) beyond(before census, databases ...string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(c)) {
		allowed := before[name]
		if slices.Contains(databases, name) {
			allowed = pooled
		}
		if c[name] > allowed {
			out = append(out, fmt.Sprintf("%s: %d, before %d", name, c[name], before[name]))
		}
	}
	return out
}

func TestACensusTellsWhatIsLeftOver(t *testing.T) {
	before := census{"goroutines": 50, "socket: own relay": 2, "socket: database": 2}
	for _, tt := range []struct {
		now  census
		want []string
	}{
		{census{"goroutines": 50, "socket: own relay": 2, "socket: database": 2}, nil},
		{census{"goroutines": 40, "socket: own relay": 1}, nil},
		{census{"goroutines": 51, "socket: own relay": 3}, []string{"goroutines: 51, before 50", "socket: own relay: 3, before 2"}},
		{census{"goroutines": 50, "socket: database": 4}, nil},
		{census{"socket: database": 17}, []string{"socket: database: 17, before 2"}},
		{census{"/tmp/x": 1}, []string{"/tmp/x: 1, before 0"}},
	} {
		require.Equal(t, tt.want, tt.now.beyond(before, "socket: database"))
	}
}
