package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// profileVariable names the directory for profiles to a daemon that was built with profileOverlay. It is no key of the
// configuration, so it does not begin as those do.
const profileVariable = "BENCH_PROFILE"

//go:embed profile.go.txt
var profileSource []byte

// profileOverlay adds a file to the daemon's main package for one build: the shipped binary has no profiler. It gives the
// path of the overlay file of `go build`.
func profileOverlay(dir, pkg string) (string, error) {
	code := filepath.Join(dir, "profile.go")
	if err := os.WriteFile(code, profileSource, 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(pkg, "bench_profile.go"): code}})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, overlay, 0o600)
}

const profileWait = 20 * time.Second

// profileFrom begins the profile anew: what was before is not measured.
func (d *daemon) profileFrom(dir string) error {
	if dir == "" {
		return nil
	}
	return d.signal(syscall.SIGUSR1)
}

// profileTo ends the profile and waits until it is written.
func (d *daemon) profileTo(dir string) error {
	if dir == "" {
		return nil
	}
	if err := d.signal(syscall.SIGUSR2); err != nil {
		return err
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	deadline := time.After(profileWait)
	for {
		if _, err := os.Stat(filepath.Join(dir, "done")); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		select {
		case <-tick.C:
		case <-deadline:
			return errors.New("the daemon does not write its profile")
		}
	}
}
