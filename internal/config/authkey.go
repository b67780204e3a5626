package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/nbd-wtf/go-nostr/nip19"
)

// AuthKey is the secret key that answers NIP-42 challenges. It never prints.
type AuthKey struct{ hex string }

// IsZero reports that there is no key.
func (k AuthKey) IsZero() bool { return k.hex == "" }

// Reveal is 64 lower-case hex digits, for signing.
func (k AuthKey) Reveal() string { return k.hex }

// String hides the key.
func (k AuthKey) String() string { return mask }

// GoString hides the key.
func (k AuthKey) GoString() string { return mask }

// MarshalText hides the key.
func (k AuthKey) MarshalText() ([]byte, error) { return []byte(mask), nil }

// ReadAuthKey reads own_relay.auth_key_file; no file gives no key. Its error is an Errors and never repeats what the file holds.
func (c Config) ReadAuthKey() (AuthKey, error) {
	path := c.OwnRelay.AuthKeyFile
	if path == "" {
		return AuthKey{}, nil
	}
	text, err := readSecret(path)
	var key AuthKey
	if err == nil {
		key, err = parseAuthKey(text)
	}
	if err != nil {
		const name = "own_relay.auth_key_file"
		return AuthKey{}, Errors{{Source: c.Source(name), Key: name, Value: mustKey(name).quoted(path), Reason: err.Error(),
			Allowed: "a file with an nsec or 64 hex digits, of mode 0600"}}
	}
	return key, nil
}

const maxSecret = 4096 // bytes

// readSecret reads a file that only its owner may read, without the space around its text. The owner is we or root: what somebody else
// has laid there, he knows.
func readSecret(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe that nobody writes to would be waited for
	if err != nil {
		return "", errors.New(reasonOf(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", errors.New(reasonOf(err))
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("not a file")
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && foreign(int(stat.Uid), os.Geteuid()) {
		return "", fmt.Errorf("it belongs to another user (%d)", stat.Uid)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return "", fmt.Errorf("others may read it (mode %04o); chmod 600 it", perm)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSecret))
	if err != nil {
		return "", errors.New(reasonOf(err))
	}
	return strings.TrimSpace(string(data)), nil
}

// foreign reports an owner of a file who is neither we nor root.
func foreign(owner, we int) bool { return owner != 0 && owner != we }

func parseAuthKey(text string) (AuthKey, error) {
	if strings.HasPrefix(text, "nsec1") {
		_, v, err := nip19.Decode(text)
		if err != nil {
			return AuthKey{}, errors.New("the file holds no valid nsec")
		}
		return AuthKey{v.(string)}, nil
	}
	if raw, err := hex.DecodeString(text); err != nil || len(raw) != 32 {
		return AuthKey{}, errors.New("the file holds neither an nsec nor 64 hex digits")
	}
	return AuthKey{strings.ToLower(text)}, nil
}
