package relay

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/nbd-wtf/go-nostr"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// loginWait is how long what was refused for want of a login waits for it.
const loginWait = 10 * time.Second

// maxLogins bounds the challenges of one connection that are answered.
const maxLogins = 16

// Login is a key for NIP-42, and the names under which the relay may know itself. A relay compares the name in the answer with its own,
// which need not be the address that we dial. It never prints its key.
type Login struct {
	secret string // hex
	names  []string
}

// NewLogin takes a secret key of 64 hex digits, and the names of the relay: its address first, at least one.
func NewLogin(secret string, names ...relayurl.URL) (*Login, error) {
	if raw, err := hex.DecodeString(secret); err != nil || len(raw) != 32 {
		return nil, errors.New("login: not a key of 64 hex digits")
	}
	l := &Login{secret: secret}
	for _, name := range names {
		l.names = append(l.names, string(name))
	}
	if _, _, err := l.answer("", 0, time.Unix(0, 0)); err != nil {
		return nil, errors.New("login: not a valid secret key")
	}
	return l, nil
}

// String hides the key.
func (l *Login) String() string { return "login" }

// answer signs a challenge under name number n.
func (l *Login) answer(challenge string, n int, now time.Time) (event.ID, []byte, error) {
	e := nostr.Event{
		CreatedAt: nostr.Timestamp(now.Unix()), Kind: event.KindAuth,
		Tags: nostr.Tags{{"relay", l.names[n]}, {"challenge", challenge}},
	}
	if err := e.Sign(l.secret); err != nil {
		return event.ID{}, nil, fmt.Errorf("sign the login: %w", err)
	}
	id, err := event.ParseID(e.ID)
	if err != nil {
		return event.ID{}, nil, fmt.Errorf("sign the login: %w", err)
	}
	msg, err := EncodeAuth(&e)
	return id, msg, err
}

// loginState is one connection's login. The zero value has none to offer. Pure, but for the signature.
type loginState struct {
	login     *Login
	challenge string
	name      int      // that was answered under
	sent      event.ID // the answer that is not judged yet, zero: none
	logins    int      // challenges answered
	at        time.Time
	refused   string // why there is no login, empty while there may be one
}

// challenged answers a challenge with a message, nil when there is nothing to say.
func (s *loginState) challenged(challenge string, now time.Time) ([]byte, error) {
	if s.login == nil || challenge == "" || challenge == s.challenge || s.logins == maxLogins {
		return nil, nil
	}
	s.challenge, s.name, s.refused = challenge, 0, ""
	s.logins++
	return s.speak(now)
}

func (s *loginState) speak(now time.Time) ([]byte, error) {
	id, msg, err := s.login.answer(s.challenge, s.name, now)
	if err != nil {
		s.refused = err.Error()
		return nil, err
	}
	s.sent = id
	return msg, nil
}

// judged takes an OK: ours says that it was the answer to the login. A relay that knows itself by another name is answered once more
// under the next, by msg.
func (s *loginState) judged(id event.ID, ok bool, reason string, now time.Time) (ours bool, msg []byte, err error) {
	if s.sent == (event.ID{}) || id != s.sent {
		return false, nil, nil
	}
	s.sent = event.ID{}
	switch {
	case ok:
		s.at = now
	case s.name+1 < len(s.login.names):
		s.name++
		msg, err = s.speak(now)
	default:
		s.refused = reason
	}
	return true, msg, err
}

// in reports whether the relay knows us.
func (s *loginState) in() bool { return !s.at.IsZero() }

// may reports whether what was sent at that time, and refused for want of a login, may be sent again: after a login that is still to come,
// or because it came in between.
func (s *loginState) may(sent time.Time) bool {
	return s.login != nil && s.refused == "" && (!s.in() || !sent.After(s.at))
}
