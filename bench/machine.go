package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"time"
)

// machine is where the figures were measured. They say nothing without it.
type machine struct {
	CPU    string  `json:"cpu"`
	Cores  int     `json:"cores"`
	Memory int64   `json:"memory_bytes"`
	Kernel string  `json:"kernel"`
	Go     string  `json:"go"`
	Load   string  `json:"load"`          // averages of 1, 5 and 15 minutes before the start: others work here too
	Verify float64 `json:"verify_micros"` // CPU time of one signature check
	Tags   string  `json:"tags,omitempty"`
}

func readMachine(tags string) (machine, error) {
	verify, err := verifyCost()
	if err != nil {
		return machine{}, err
	}
	meminfo, _ := os.ReadFile("/proc/meminfo")
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	load, _ := os.ReadFile("/proc/loadavg")
	averages := strings.Fields(string(load))
	return machine{
		CPU: cpuModel(), Cores: runtime.NumCPU(), Memory: statusField(meminfo, "MemTotal") << 10,
		Kernel: runtime.GOOS + " " + strings.TrimSpace(string(release)), Go: runtime.Version(),
		Load: strings.Join(averages[:min(3, len(averages))], " "), Verify: verify, Tags: tags,
	}, nil
}

func cpuModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(info)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// verifyCost measures what one signature takes of one core, in microseconds of CPU time: the best of some rounds, for
// others work here too. It puts the other figures into proportion.
func verifyCost() (float64, error) {
	e, err := announcement(0, nil)
	if err != nil {
		return 0, err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const (
		rounds, checks = 8, 200
		thisThread     = 1 // RUSAGE_THREAD
	)
	best := time.Duration(math.MaxInt64)
	for range rounds {
		start, err := timeOf(thisThread)
		if err != nil {
			return 0, err
		}
		for range checks {
			if ok, err := e.event.CheckSignature(); err != nil || !ok {
				return 0, fmt.Errorf("our own signature does not verify: %w", err)
			}
		}
		end, err := timeOf(thisThread)
		if err != nil {
			return 0, err
		}
		best = min(best, end-start)
	}
	return float64(best.Microseconds()) / checks, nil
}
