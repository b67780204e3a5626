package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nbd-wtf/go-nostr"
)

// cached gives the corpus of a spec: from the user's cache directory when it is there, for signing takes a while.
func cached(s spec) (*corpus, error) {
	s.Version = corpusVersion
	base, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	name := filepath.Join(base, "ngit-sync-bench", fmt.Sprintf("v%d-%d-%d-%d-%d.jsonl", s.Version, s.Repos, s.Roots, s.Comments, s.Live))
	c, err := load(name, s)
	if err == nil {
		return c, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(os.Stderr, "bench: %v: made anew\n", err)
	}
	if c, err = generate(s); err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	if err := save(name, c); err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	return c, nil
}

// load reads what save wrote: the spec, then one event a line.
func load(name string, want spec) (*corpus, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	var have spec
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &have) != nil || have != want {
		return nil, fmt.Errorf("%s: another corpus", name)
	}
	all := make([]entry, 0, want.Roots+want.Comments+want.Live)
	for lines.Scan() {
		e := entry{event: new(nostr.Event), raw: []byte(lines.Text())}
		if err := e.event.UnmarshalJSON(e.raw); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", name, len(all)+2, err)
		}
		all = append(all, e)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(all) != cap(all) {
		return nil, fmt.Errorf("%s: %d events, want %d", name, len(all), cap(all))
	}
	stored := want.Roots + want.Comments
	return &corpus{spec: want, stored: all[:stored:stored], live: all[stored:]}, nil
}

// save writes a corpus beside its final name first, so that a cut-off run leaves no half of one.
func save(name string, c *corpus) (err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	w := bufio.NewWriter(f)
	head, err := json.Marshal(c.spec)
	if err != nil {
		return err
	}
	for _, line := range append([]entry{{raw: head}}, append(c.stored[:len(c.stored):len(c.stored)], c.live...)...) {
		if _, err := w.Write(append(line.raw[:len(line.raw):len(line.raw)], '\n')); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
