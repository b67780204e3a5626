package negentropy

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/fiatjaf/eventstore/slicestore"
	"github.com/fiatjaf/khatru"
	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay/embedded/server"
)

// notes are n events that hash to their ids; nobody signed them. Two fall on each second.
func notes(t *testing.T, n int) (all []*event.Event) {
	t.Helper()
	for k := range n {
		e := nostr.Event{
			PubKey: strings.Repeat("ab", 32), CreatedAt: nostr.Timestamp(1_700_000_000 + k/2), Kind: 1,
			Tags: nostr.Tags{}, Content: fmt.Sprint(k), Sig: strings.Repeat("00", 64),
		}
		e.ID = e.GetID()
		wrapped, err := event.Wrap(e)
		require.NoError(t, err)
		all = append(all, wrapped)
	}
	return all
}

func khatruOf(t *testing.T, events []*event.Event) (url string) {
	t.Helper()
	store := &slicestore.SliceStore{MaxLimit: 1 << 30} // it caps reconciliations too
	require.NoError(t, store.Init())
	for _, e := range events {
		require.NoError(t, store.SaveEvent(t.Context(), e.Event))
	}
	r := khatru.NewRelay()
	r.Negentropy = true
	r.QueryEvents = append(r.QueryEvents, store.QueryEvents)
	srv := httptest.NewServer(r)
	t.Cleanup(srv.Close)
	return strings.Replace(srv.URL, "http", "ws", 1)
}

func serverOf(t *testing.T, events []*event.Event) (url string) {
	t.Helper()
	m := server.NewMemory()
	for _, e := range events {
		require.True(t, m.Add(e).OK)
	}
	s, err := server.Listen(t.Context(), "127.0.0.1:0", server.Options{Backend: m})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s.URL()
}

// over carries messages to a relay as NEG-OPEN and NEG-MSG, in hex.
func over(t *testing.T, url string) answerer {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	conn, _, err := websocket.Dial(ctx, url, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(4 << 20)
	ask := func(head string, msg []byte) (fields []string, err error) {
		text := fmt.Sprintf(`%s"%x"]`, head, msg)
		require.LessOrEqual(t, len(text), 131_072, "strfry's default limit")
		if err := conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			return nil, err
		}
		_, frame, err := conn.Read(ctx)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(frame, &fields); err != nil || len(fields) != 3 {
			return nil, fmt.Errorf("%.200s", frame)
		}
		return fields, nil
	}
	const open = `["NEG-OPEN","n",{"kinds":[1]},`
	head := open
	return func(msg []byte) ([]byte, error) {
		fields, err := ask(head, msg)
		if err == nil && fields[0] == "NEG-ERROR" && fields[2] == "CLOSED" {
			// khatru answers before it remembers the session, and forgets it after seven seconds. The answering side
			// needs no memory, so a new session goes on where the old one was.
			fields, err = ask(open, msg)
		}
		if err != nil {
			return nil, err
		}
		if fields[0] != "NEG-MSG" {
			return nil, fmt.Errorf("%q", fields)
		}
		head = `["NEG-MSG","n",`
		return hex.DecodeString(fields[2])
	}
}

func TestRelaysAreReconciledOverASocket(t *testing.T) {
	all := notes(t, 6000)
	var theirs []*event.Event
	var mine, have []item
	for k, e := range all {
		it := item{at: int64(e.CreatedAt), id: e.ID}
		if k%30 != 7 {
			theirs, have = append(theirs, e), append(have, it)
		}
		if k%20 != 0 && k < 5900 {
			mine = append(mine, it)
		}
	}
	for name, url := range map[string]string{"khatru": khatruOf(t, theirs), "our own relay": serverOf(t, theirs)} {
		t.Run(name, func(t *testing.T) {
			got := reconcile(t, setOf(mine), DefaultLimits(), over(t, url))
			require.Equal(t, lacking(have, mine), got.needs)
			require.Len(t, lacking(mine, have), got.stats.Haves)
		})
		t.Run(name+", from nothing", func(t *testing.T) {
			got := reconcile(t, setOf(nil), DefaultLimits(), over(t, url))
			require.Equal(t, lacking(have, nil), got.needs)
		})
	}
}
