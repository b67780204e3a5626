package badline

import (
	"bytes"
	"encoding/binary"
)

const (
	headMax  = 64 << 10 // bytes of the handshake's answer
	frameMax = 32 << 20 // bytes of a frame; what is larger is carried as it comes
)

// splitter divides what a websocket server says into the answer of the handshake and one unit for each frame. What is no
// websocket passes as it comes.
type splitter struct {
	rest   []byte
	opened bool // the answer has passed
	raw    bool // no more is understood
}

func (s *splitter) split(b []byte) []unit {
	if s.raw {
		return whole(b)
	}
	s.rest = append(s.rest, b...)
	var out []unit
	for !s.raw {
		n, message := s.next()
		if n == 0 {
			return out
		}
		out = append(out, unit{bytes: bytes.Clone(s.rest[:n]), message: message})
		s.rest = s.rest[n:]
	}
	out = append(out, whole(s.rest)...)
	s.rest = nil
	return out
}

// next is how many bytes the first unit of the rest has, 0 while it is not complete.
func (s *splitter) next() (n int, message bool) {
	if s.opened {
		n = frameSize(s.rest)
		if n > frameMax {
			s.raw = true
			return 0, false
		}
		const text = 0x81 // FIN, a text, uncompressed or each message by itself
		return n, n > 0 && s.rest[0]&0x8f == text
	}
	end := bytes.Index(s.rest, []byte("\r\n\r\n"))
	switch {
	case end < 0:
		s.raw = len(s.rest) > headMax
		return 0, false
	case !bytes.HasPrefix(s.rest, []byte("HTTP/1.1 101")):
		s.raw = true
		return 0, false
	}
	s.opened = true
	return end + 4, false
}

// frameSize is the size of the frame at the start of b with its head (RFC 6455, 5.2), 0 while b does not hold all of it, and more than
// frameMax for one that is too large.
func frameSize(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	head, body := 2, uint64(b[1]&0x7f)
	if b[1]&0x80 != 0 {
		head += 4 // the mask
	}
	switch body {
	case 126:
		if len(b) < 4 {
			return 0
		}
		head, body = head+2, uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if len(b) < 10 {
			return 0
		}
		head, body = head+8, binary.BigEndian.Uint64(b[2:])
	}
	switch {
	case body > frameMax:
		return frameMax + 1
	case uint64(len(b)) < uint64(head)+body:
		return 0
	}
	return head + int(body)
}
