package config

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Token is what changes over HTTP need. It never prints.
type Token struct{ text string }

// Reveal is the token, for comparing and for a request's header.
func (t Token) Reveal() string { return t.text }

// String hides the token.
func (t Token) String() string { return mask }

// GoString hides the token.
func (t Token) GoString() string { return mask }

// MarshalText hides the token.
func (t Token) MarshalText() ([]byte, error) { return []byte(mask), nil }

const (
	tokenFile  = "ngit-sync.token" //nolint:gosec // the name of the file, not what is in it
	tokenBytes = 32
	leastToken = 16 // characters
)

// TokenPath is the file that holds the token: http.token_file, or one beside a SQLite database, or in the working directory.
func (c Config) TokenPath() string {
	if c.HTTP.TokenFile != "" {
		return c.HTTP.TokenFile
	}
	if file, ok := strings.CutPrefix(c.Database.URL.Reveal(), "sqlite:"); ok {
		return filepath.Join(filepath.Dir(file), tokenFile)
	}
	return tokenFile
}

// ReadToken reads the token of a daemon that runs. Its error is an Errors and never repeats what the file holds.
func (c Config) ReadToken() (Token, error) {
	text, err := readSecret(c.TokenPath())
	if err == nil && len(text) < leastToken {
		err = fmt.Errorf("the file holds fewer than %d characters", leastToken)
	}
	if err != nil {
		const name = "http.token_file"
		return Token{}, Errors{{Source: c.Source(name), Key: name, Value: mustKey(name).quoted(c.TokenPath()), Reason: err.Error(),
			Allowed: "a file with the token, of mode 0600; the daemon makes one when the key is empty"}}
	}
	return Token{text}, nil
}

// MakeToken reads the token, and makes one first where no file is named and none is there.
func (c Config) MakeToken() (Token, error) {
	if c.HTTP.TokenFile == "" {
		if err := makeToken(c.TokenPath()); err != nil {
			return Token{}, fmt.Errorf("make a token for changes over HTTP: %w; http.token_file names another place", err)
		}
	}
	return c.ReadToken()
}

// makeToken writes a new token, unless a file is there. Of two daemons that start at once one writes.
func makeToken(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	b := make([]byte, tokenBytes)
	_, _ = rand.Read(b) // never fails
	_, err = f.WriteString(hex.EncodeToString(b) + "\n")
	return errors.Join(err, f.Close())
}
