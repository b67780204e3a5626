package main

import (
	"bytes"
	"math/rand/v2"
	"net"
	"time"
)

// shuffled is a line whose relay sends the events of an answer in any order. NIP-01 says which ones a limit leaves, and that is kept.
type shuffled struct {
	net.Conn
	rng   *rand.Rand
	plain bool   // no websocket: a document
	open  bool   // the handshake has been read
	raw   []byte // read and not yet whole
	out   []byte // to be read next
	err   error
}

// shuffleWait is how long one waits for more of an answer. In virtual time it passes only when nobody has anything to do.
const shuffleWait = time.Millisecond

func (s *shuffled) Read(p []byte) (int, error) {
	for len(s.out) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		s.fill()
	}
	n := copy(p, s.out)
	s.out = s.out[n:]
	return n, nil
}

// fill reads what there is, to the end of the answers in it.
func (s *shuffled) fill() {
	s.more(time.Time{})
	if !s.open && !s.plain {
		head, rest, ok := bytes.Cut(s.raw, []byte("\r\n\r\n"))
		if !ok {
			return
		}
		if s.plain = !bytes.Contains(head, []byte(" 101 ")); !s.plain {
			s.open = true
			s.out = append(bytes.Clone(head), "\r\n\r\n"...)
			s.raw = bytes.Clone(rest)
			return
		}
	}
	if s.plain {
		s.out, s.raw = s.raw, nil
		return
	}
	var frames [][]byte
	for {
		f := s.frame()
		switch {
		case f != nil:
			frames = append(frames, f)
			continue
		case s.err == nil && len(frames) > 0 && isEvent(frames[len(frames)-1]) && s.more(time.Now().Add(shuffleWait)):
			continue
		}
		break
	}
	for from := 0; from < len(frames); {
		to := from + 1
		for to < len(frames) && isEvent(frames[from]) && isEvent(frames[to]) {
			to++
		}
		run := frames[from:to]
		s.rng.Shuffle(len(run), func(i, j int) { run[i], run[j] = run[j], run[i] })
		from = to
	}
	s.out = bytes.Join(frames, nil)
}

// more reads once; false says that nothing came in time.
func (s *shuffled) more(until time.Time) bool {
	_ = s.Conn.SetReadDeadline(until)
	buf := make([]byte, 64<<10)
	n, err := s.Conn.Read(buf)
	s.raw = append(s.raw, buf[:n]...)
	if err != nil && until.IsZero() {
		s.err = err
	}
	return n > 0
}

// frame takes one whole frame of a server from what was read.
func (s *shuffled) frame() []byte {
	if len(s.raw) < 2 {
		return nil
	}
	head, size := 2, int(s.raw[1])
	switch size {
	case 126:
		head = 4
	case 127:
		head = 10
	}
	if len(s.raw) < head {
		return nil
	}
	if head > 2 {
		size = 0
		for _, b := range s.raw[2:head] {
			size = size<<8 | int(b)
		}
	}
	if len(s.raw) < head+size {
		return nil
	}
	f := s.raw[: head+size : head+size]
	s.raw = s.raw[head+size:]
	return f
}

func isEvent(frame []byte) bool {
	return bytes.Contains(frame[:min(len(frame), 24)], []byte(`["EVENT"`))
}
