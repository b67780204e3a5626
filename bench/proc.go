package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clockTick is the unit of CPU times in /proc/<pid>/stat; Linux reports 100 a second on every machine (proc(5)).
const clockTick = 10 * time.Millisecond

// usage is what the kernel says of a process.
type usage struct {
	cpu      time.Duration // user and system, since its start
	rss      int64         // bytes
	peak     int64         // bytes, the most there was
	switches int64         // of its threads, voluntary and not
}

// readUsage reads /proc/<pid>/{stat,status} and its threads' status.
func readUsage(pid int) (usage, error) {
	dir := fmt.Sprintf("/proc/%d", pid)
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return usage{}, err
	}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return usage{}, err
	}
	var u usage
	if u.cpu, err = cpuOf(stat); err != nil {
		return usage{}, err
	}
	u.rss, u.peak = statusField(status, "VmRSS")<<10, statusField(status, "VmHWM")<<10
	threads, err := filepath.Glob(filepath.Join(dir, "task", "*", "status"))
	if err != nil {
		return usage{}, err
	}
	for _, name := range threads {
		if text, err := os.ReadFile(name); err == nil { // a thread may end
			u.switches += statusField(text, "voluntary_ctxt_switches") + statusField(text, "nonvoluntary_ctxt_switches")
		}
	}
	return u, nil
}

// ownTime is the CPU time of this process, and so of the relays in it.
func ownTime() (time.Duration, error) { return timeOf(syscall.RUSAGE_SELF) }

// timeOf is the CPU time that getrusage(2) gives for a process or a thread.
func timeOf(who int) (time.Duration, error) {
	var use syscall.Rusage
	if err := syscall.Getrusage(who, &use); err != nil {
		return 0, fmt.Errorf("getrusage: %w", err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano()), nil
}

var errStat = errors.New("malformed /proc/<pid>/stat")

// cpuOf adds utime and stime. The second field is the program's name in brackets, and may hold anything.
func cpuOf(stat []byte) (time.Duration, error) {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, errStat
	}
	fields := strings.Fields(string(stat[end+1:])) // from the third on
	if len(fields) < 13 {
		return 0, errStat
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err1 != nil || err2 != nil {
		return 0, errStat
	}
	return time.Duration(user+system) * clockTick, nil
}

// statusField is the number behind a name in /proc/<pid>/status, 0 when it is not there.
func statusField(status []byte, name string) int64 {
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		if key != name {
			continue
		}
		fields := strings.Fields(value)
		if len(fields) == 0 {
			return 0
		}
		n, _ := strconv.ParseInt(fields[0], 10, 64)
		return n
	}
	return 0
}
