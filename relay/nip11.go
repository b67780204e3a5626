package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
)

// Document is what a relay says of itself (NIP-11). A number is 0 when it is not stated or makes no sense. All of it is
// hostile text, and none of it is a proof.
type Document struct {
	Name             string // at most 64 bytes
	Software         string // at most 64 bytes
	NIPs             []int  // at most 128
	MaxSubscriptions int
	MaxFilters       int
	MaxLimit         int
	MaxMessageLength int
	AuthRequired     bool
}

const (
	maxDocument     = 64 << 10
	maxDocumentText = 64
	maxNIPs         = 128
)

// Bounds of what a document may make us do.
const (
	mostSubscriptions = 200
	mostFilters       = 200
	mostPage          = 5000
	leastMessage      = 4 << 10
	mostMessage       = 1 << 20
)

// Document fetches the NIP-11 document of a relay over the same transport, with the same guard, within DocumentWait. It is
// remembered for DocumentAge, and that there is none for an hour; other failures are not.
func (d *Dialer) Document(ctx context.Context, url relayurl.URL, trust Trust) (Document, *health.Failure) {
	if doc, absent, ok := d.documents.get(url, time.Now()); ok {
		doc.NIPs = slices.Clone(doc.NIPs)
		return doc, absent
	}
	ctx, cancel := context.WithTimeout(ctx, d.opts.DocumentWait)
	defer cancel()
	raw, f := d.fetch(ctx, url, trust)
	if f != nil {
		if noDocument(f.HTTPStatus) {
			d.documents.put(url, remembered{absent: f, at: time.Now()})
		}
		return Document{}, f
	}
	doc, err := ParseDocument(raw)
	if err != nil {
		f := &health.Failure{Cause: health.CauseProtocol, Err: fmt.Errorf("document of %s: %w", url, err)}
		d.documents.put(url, remembered{absent: f, at: time.Now()})
		return doc, f
	}
	d.documents.put(url, remembered{doc: doc, at: time.Now()})
	doc.NIPs = slices.Clone(doc.NIPs)
	return doc, nil
}

// noDocument reports the statuses of a server that has none to give, as opposed to one that cannot give it now.
func noDocument(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusGone,
		http.StatusUpgradeRequired, http.StatusNotImplemented:
		return true
	}
	return false
}

func (d *Dialer) fetch(ctx context.Context, url relayurl.URL, trust Trust) ([]byte, *health.Failure) {
	fail := func(c health.Cause, err error) *health.Failure {
		return &health.Failure{Cause: c, Err: fmt.Errorf("document of %s: %w", url, err)}
	}
	target, err := d.opts.Rewrite(url)
	if err != nil {
		return nil, fail(health.CausePolicy, err)
	}
	if !strings.HasPrefix(target, "ws") {
		return nil, fail(health.CausePolicy, errors.New("no websocket URL"))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http"+strings.TrimPrefix(target, "ws"), nil)
	if err != nil {
		return nil, fail(health.CausePolicy, err)
	}
	req.Header.Set("Accept", "application/nostr+json")
	req.Header.Set("User-Agent", d.opts.UserAgent)
	client, err := d.client(url, trust, true)
	if err != nil {
		return nil, fail(cause(err), err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fail(cause(err), err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		f := fail(health.CauseHTTP, errors.New(clip(resp.Status)))
		statusFailure(f, resp)
		return nil, f
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	switch {
	case err != nil:
		return nil, fail(cause(err), err)
	case len(raw) > maxDocument:
		return nil, fail(health.CauseProtocol, fmt.Errorf("more than %d bytes", maxDocument))
	}
	return raw, nil
}

// ParseDocument reads a document field by field: one of a wrong type is taken as not stated.
func ParseDocument(raw []byte) (Document, error) {
	fields, err := object(raw)
	if err != nil {
		return Document{}, err
	}
	doc := Document{
		Name:     text(fields["name"], maxDocumentText),
		Software: text(fields["software"], maxDocumentText),
	}
	var nips []json.RawMessage
	_ = json.Unmarshal(fields["supported_nips"], &nips)
	for _, raw := range nips[:min(len(nips), maxNIPs)] {
		if n := number(raw); n > 0 {
			doc.NIPs = append(doc.NIPs, n)
		}
	}
	limitation, _ := object(fields["limitation"])
	doc.MaxSubscriptions = number(limitation["max_subscriptions"])
	doc.MaxFilters = number(limitation["max_filters"])
	doc.MaxLimit = number(limitation["max_limit"])
	doc.MaxMessageLength = number(limitation["max_message_length"])
	_ = json.Unmarshal(limitation["auth_required"], &doc.AuthRequired)
	return doc, nil
}

func object(raw json.RawMessage) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, fmt.Errorf("no JSON object: %w", err)
	}
	if fields == nil {
		return nil, errors.New("no JSON object: null")
	}
	return fields, nil
}

func text(raw json.RawMessage, limit int) string {
	var s string
	_ = json.Unmarshal(raw, &s)
	return clipTo(s, limit)
}

// number reads a whole number above 0, also one written as 5e2 or in quotes; 0 when there is none.
func number(raw json.RawMessage) int {
	f, err := strconv.ParseFloat(string(bytes.Trim(raw, `"`)), 64)
	if err != nil || f < 1 || f > 1<<31-1 {
		return 0
	}
	return int(f)
}

// Limits are those stated, within what is sensible, and the assumed ones for the rest.
func (d Document) Limits(assumed Limits) Limits {
	l := assumed
	if d.MaxSubscriptions > 0 {
		l.Subscriptions = min(d.MaxSubscriptions, mostSubscriptions)
	}
	if d.MaxFilters > 0 {
		l.FiltersPerREQ = min(d.MaxFilters, mostFilters)
	}
	if d.MaxLimit > 0 {
		l.PageLimit = min(d.MaxLimit, mostPage)
	}
	if d.MaxMessageLength > 0 {
		l.MessageBytes = min(max(d.MaxMessageLength, leastMessage), mostMessage)
	}
	return l
}
