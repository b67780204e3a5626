package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"time"
)

// Order is what an operator wants to have changed.
type Order struct {
	Verb     string // sync, pair or unpair
	Relay    string // as the operator wrote it; empty with sync: every relay
	Rejected bool   // with sync: what the own relay has refused is offered again at once
}

// ErrNotNow is wrapped by Options.Change when the daemon is too busy, or about to end.
var ErrNotNow = errors.New("not now")

const (
	changeTimeout = 10 * time.Second
)

type changedAnswer struct {
	At time.Time `json:"at"` // of the change; what is newer follows it
}

// change serves POST /api/v1/relays/{verb}. Whoever has the token may do it; there is no cookie, so a page of another origin has none.
func (v *views) change(w http.ResponseWriter, r *http.Request) {
	if !v.authorized(r) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="ngit-sync"`)
		v.fail(w, http.StatusUnauthorized, errors.New("a change needs the token: Authorization: Bearer, and what http.token_file holds"))
		return
	}
	query := r.URL.Query()
	c := Order{Verb: r.PathValue("verb"), Relay: query.Get("relay"), Rejected: query.Get("rejected") == "true"}
	switch c.Verb {
	case "sync":
	case "pair", "unpair":
		if c.Relay == "" {
			v.fail(w, http.StatusBadRequest, errors.New("relay is missing"))
			return
		}
	default:
		http.NotFound(w, r)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), changeTimeout)
	defer cancel()
	at := time.Now()
	switch err := v.Change(ctx, c); {
	case err == nil:
		v.json(w, http.StatusOK, changedAnswer{At: at.UTC()})
	case errors.Is(err, ErrMalformed):
		v.fail(w, http.StatusBadRequest, err)
	case errors.Is(err, ErrNotNow):
		v.fail(w, http.StatusServiceUnavailable, err)
	default:
		v.fail(w, http.StatusConflict, err)
	}
}

// authorized compares in a time that says nothing about where two tokens differ, nor how long ours is.
func (v *views) authorized(r *http.Request) bool {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || v.Token == "" {
		return false
	}
	given, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(v.Token))
	return subtle.ConstantTimeCompare(given[:], want[:]) == 1
}
