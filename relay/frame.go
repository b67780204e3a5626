package relay

import (
	"errors"
	"time"

	"github.com/ngit-sync/ngit-sync/filters"
)

// FrameKind is the label of a relay's message.
type FrameKind uint8

// Kinds of frames.
const (
	Broken      FrameKind = iota // nothing we know, or malformed: Err says why
	FrameEvent                   // Sub, Event
	FrameEOSE                    // Sub, Hint
	FrameOK                      // Sub is the event id; OK, Text
	FrameClosed                  // Sub, Text
	FrameNotice                  // Text
	FrameAuth                    // Text is the challenge
	FrameCount                   // Sub, Body
	FrameNegMsg                  // Sub, Body is the hex payload
	FrameNegErr                  // Sub, Text, Count is the cap when one is stated
)

// String is the value of logs.
func (k FrameKind) String() string {
	return [...]string{"broken", "EVENT", "EOSE", "OK", "CLOSED", "NOTICE", "AUTH", "COUNT", "NEG-MSG", "NEG-ERR"}[k]
}

// Frame is one message of a relay, taken out of its envelope. Every string is hostile text, valid UTF-8 and bounded.
type Frame struct {
	Kind  FrameKind
	Sub   string // subscription or event id, at most 256 bytes
	Text  string // reason, notice or challenge, at most 1 KiB
	Event []byte // JSON of the event, not parsed yet
	Body  []byte // of COUNT and NEG-MSG
	OK    bool
	Hint  filters.Hint // EOSE (NIP-67)
	Count int64        // NEG-ERR: the relay's cap on results, 0 when not stated
	Size  int          // bytes of the message
	At    time.Time
	Err   error  // of a broken frame
	n     uint64 // position on its socket, from 1
	held  int64  // bytes of it that are kept
}

const (
	maxSubLen  = 256
	maxTextLen = 1024
)

// Reasons why a frame is broken.
var (
	errNoArray = errors.New("no JSON array")
	errLabel   = errors.New("unknown label")
	errShort   = errors.New("too few elements")
	errElement = errors.New("malformed element")
	errLarge   = errors.New("message too large")
)

// SplitFrame takes a message out of its envelope. It keeps parts of msg, never panics, and gives a broken frame for what is
// no message of NIP-01, NIP-42, NIP-45 or NIP-77.
func SplitFrame(msg []byte) Frame {
	s := scanner{rest: trim(msg)}
	f := Frame{Size: len(msg)}
	if err := s.envelope(&f); err != nil {
		return Frame{Kind: Broken, Size: len(msg), Err: err}
	}
	return f
}

// largeFrame is a broken frame for a message of which only the beginning was kept. Sub says whose event it was.
func largeFrame(head []byte) Frame {
	f := Frame{Kind: Broken, Size: len(head), Err: errLarge}
	s := scanner{rest: trimLeft(head)}
	if len(s.rest) == 0 || s.rest[0] != '[' {
		return f
	}
	s.rest = trimLeft(s.rest[1:])
	if label, err := s.string(16); err != nil || label != "EVENT" || s.sub(&f) != nil {
		f.Sub = ""
	}
	return f
}

func (s *scanner) envelope(f *Frame) error {
	if n := len(s.rest); n < 2 || s.rest[0] != '[' || s.rest[n-1] != ']' {
		return errNoArray
	}
	s.rest = trim(s.rest[1 : len(s.rest)-1])
	label, err := s.string(16)
	if err != nil {
		return err
	}
	switch label {
	case "EVENT":
		f.Kind = FrameEvent
		return s.event(f)
	case "EOSE":
		f.Kind = FrameEOSE
		return s.eose(f)
	case "OK":
		f.Kind = FrameOK
		return s.ok(f)
	case "CLOSED":
		f.Kind = FrameClosed
		return s.closed(f)
	case "NOTICE":
		f.Kind = FrameNotice
		return s.notice(f)
	case "AUTH":
		f.Kind = FrameAuth
		return s.notice(f)
	case "COUNT":
		f.Kind = FrameCount
		return s.count(f)
	case "NEG-MSG":
		f.Kind = FrameNegMsg
		return s.negMsg(f)
	case "NEG-ERR", "NEG-ERROR": // khatru writes the latter
		f.Kind = FrameNegErr
		return s.negErr(f)
	}
	return errLabel
}

// sub reads the next element as an id. A longer one than ours can be is none of ours.
func (s *scanner) sub(f *Frame) error {
	if err := s.comma(); err != nil {
		return err
	}
	id, err := s.string(maxSubLen)
	f.Sub = id
	return err
}

// text reads the next element, which may be missing, as a text for people.
func (s *scanner) text(f *Frame) error {
	if len(s.rest) == 0 {
		return nil
	}
	if err := s.comma(); err != nil {
		return err
	}
	f.Text = s.anyText()
	return nil
}

func (s *scanner) event(f *Frame) error {
	if err := s.sub(f); err != nil {
		return err
	}
	if err := s.comma(); err != nil {
		return err
	}
	if len(s.rest) == 0 || s.rest[0] != '{' {
		return errElement
	}
	f.Event = s.rest // an element behind it makes the event unreadable, which is said there
	return nil
}

func (s *scanner) eose(f *Frame) error {
	if err := s.sub(f); err != nil {
		return err
	}
	var hints []string
	for len(s.rest) > 0 {
		if err := s.comma(); err != nil {
			return err
		}
		if s.rest = trimLeft(s.rest); len(s.rest) > 0 && s.rest[0] == '[' {
			s.rest = trimRight(trim(s.rest[1:]), ']')
		}
		q := s.quoted()
		if q == nil {
			break // a hint is optional, and so is understanding it
		}
		hints = append(hints, unquote(cut(q)))
	}
	f.Hint = filters.ParseHint(hints)
	return nil
}

func (s *scanner) ok(f *Frame) error {
	if err := s.sub(f); err != nil {
		return err
	}
	if err := s.comma(); err != nil {
		return err
	}
	switch {
	case s.literal("true"):
		f.OK = true
	case s.literal("false"):
	default:
		return errElement
	}
	return s.text(f)
}

func (s *scanner) closed(f *Frame) error {
	if err := s.sub(f); err != nil {
		return err
	}
	return s.text(f)
}

func (s *scanner) notice(f *Frame) error {
	if len(s.rest) == 0 {
		return errShort
	}
	return s.text(f)
}

func (s *scanner) count(f *Frame) error {
	if err := s.sub(f); err != nil {
		return err
	}
	if err := s.comma(); err != nil {
		return err
	}
	f.Body = s.rest
	return nil
}

func (s *scanner) negMsg(f *Frame) error {
	if err := s.sub(f); err != nil {
		return err
	}
	if err := s.comma(); err != nil {
		return err
	}
	n := len(s.rest)
	if n < 2 || s.rest[0] != '"' || s.rest[n-1] != '"' {
		return errElement
	}
	for _, c := range s.rest[1 : n-1] {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return errElement
		}
	}
	f.Body = s.rest[1 : n-1]
	return nil
}

func (s *scanner) negErr(f *Frame) error {
	if err := s.sub(f); err != nil {
		return err
	}
	if len(s.rest) == 0 {
		return nil
	}
	if err := s.comma(); err != nil {
		return err
	}
	f.Text, f.Count = s.reason()
	return nil
}
