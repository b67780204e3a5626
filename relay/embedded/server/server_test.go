package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPublishAndAsk(t *testing.T) {
	p := dial(t, start(t, NewMemory(), Limits{}))
	for i := range 5 {
		ok, msg := p.publish(sign(t, 1, 1621, int64(1000+i), fmt.Sprint("issue ", i), nostr.Tag{"a", "30617:x:y"}))
		require.True(t, ok, msg)
		require.Empty(t, msg)
	}
	ok, msg := p.publish(sign(t, 1, 1621, 1004, "issue 4", nostr.Tag{"a", "30617:x:y"}))
	require.True(t, ok)
	require.Equal(t, "duplicate: already have this event", msg)

	require.Equal(t, []string{"issue 4", "issue 3"}, p.page("a", `{"kinds":[1621],"limit":2}`))
	require.Equal(t, []string{"issue 1", "issue 0"}, p.page("a", `{"#a":["30617:x:y"],"until":1001}`))
	require.Equal(t, []string{"issue 4", "issue 0"}, p.page("b", `{"since":1004},{"until":1000}`), "each filter has its own answer")
	require.Empty(t, p.page("c", `{"kinds":[1621],"limit":0}`))
	require.Empty(t, p.page("c", `{"ids":[]}`), "an empty list matches nothing")
}

func TestLiveEvents(t *testing.T) {
	s := start(t, NewMemory(), Limits{})
	reader, writer := dial(t, s), dial(t, s)
	require.Empty(t, reader.page("live", `{"kinds":[1621],"limit":0}`))
	require.Empty(t, reader.page("other", `{"kinds":[1],"limit":0}`))

	// Old by its date, new here: a live filter without since sees it.
	writer.publish(sign(t, 1, 1621, 5, "old"))
	require.Equal(t, "old", reader.read()[2].(map[string]any)["content"])

	// A REQ on an open id replaces it (NIP-01).
	require.Empty(t, reader.page("live", `{"kinds":[1617],"limit":0}`))
	writer.publish(sign(t, 1, 1621, 6, "not asked any more"))
	writer.publish(sign(t, 1, 1617, 7, "patch"))
	require.Equal(t, "patch", reader.read()[2].(map[string]any)["content"])

	reader.write(`["CLOSE","live"]`)
	reader.sync()
	writer.publish(sign(t, 1, 1617, 8, "closed"))
	writer.publish(sign(t, 1, 1617, 7, "patch")) // a duplicate is no news
	writer.publish(sign(t, 1, 1, 9, "note"))
	m := reader.read()
	require.Equal(t, []any{"EVENT", "other"}, m[:2])
	require.Equal(t, "note", m[2].(map[string]any)["content"])
}

func TestStoredAndLiveLeaveNoGap(t *testing.T) {
	m := NewMemory()
	s := start(t, m, Limits{})
	const n = 200
	written := make(chan struct{})
	writer := dial(t, s)
	events := make([]*event.Event, n)
	for i := range events {
		events[i] = sign(t, 1, 1, int64(i), fmt.Sprint(i))
	}
	go func() {
		defer close(written)
		for _, e := range events {
			writer.publish(e)
		}
	}()
	reader := dial(t, s)
	reader.write(`["REQ","all",{"kinds":[1]}]`)
	seen := map[string]bool{}
	for len(seen) < n {
		if f := reader.read(); f[0] == "EVENT" {
			seen[f[2].(map[string]any)["content"].(string)] = true
		}
	}
	<-written
}

func TestRefusals(t *testing.T) {
	valid := sign(t, 1, 1, 1000, "x")
	forged := *valid.Event
	forged.Sig = strings.Repeat("0", 128)
	moved := *valid.Event
	moved.Content = "y"
	id := strings.Repeat("ab", 32)
	for _, c := range []struct {
		name, message string
		want          []any
	}{
		{"no JSON", `hello`, []any{"NOTICE", "invalid: a message is a JSON array that begins with its label"}},
		{"four bytes that end other relays", `,"x"`, []any{"NOTICE", "invalid: a message is a JSON array that begins with its label"}},
		{"unknown label", `["HELLO"]`, []any{"NOTICE", `unsupported: unknown label "HELLO"`}},
		{"label is no string", `[1]`, []any{"NOTICE", "invalid: the label is no string"}},
		{"bad signature", fmt.Sprintf(`["EVENT",%s]`, forged), []any{"OK", forged.ID, false, "invalid: the signature does not verify"}},
		{"wrong id", fmt.Sprintf(`["EVENT",%s]`, moved), []any{"OK", moved.ID, false, "invalid: event id: id is not the hash of the event"}},
		{"half an event", fmt.Sprintf(`["EVENT",{"id":%q}]`, id), []any{"OK", id, false, "invalid: event shape: no pubkey"}},
		{"event without an id", `["EVENT",{}]`, []any{"NOTICE", "invalid: event shape: no id"}},
		{"REQ without filters", `["REQ","s"]`, []any{"CLOSED", "s", "invalid: a REQ has 1 to 100 filters"}},
		{"long id", `["REQ","` + strings.Repeat("s", 65) + `",{}]`, []any{"NOTICE", "invalid: the subscription id is a string of 1 to 64 bytes"}},
		{"filter is an array", `["REQ","s",[]]`, []any{"CLOSED", "s", "invalid: a filter is an object"}},
		{"search", `["REQ","s",{"search":"x"}]`, []any{"CLOSED", "s", "invalid: search is not supported"}},
		{"prefix", `["REQ","s",{"ids":["ab"]}]`, []any{"CLOSED", "s", "invalid: id in filter: 2 characters, want 64 hex digits"}},
		{"long tag", `["REQ","s",{"#name":["x"]}]`, []any{"CLOSED", "s", `invalid: #"name" is no single-letter tag`}},
		{"negative limit", `["REQ","s",{"limit":-1}]`, []any{"CLOSED", "s", "invalid: the limit is negative"}},
		{"reconciliation without a message", `["NEG-OPEN","n",{}]`, []any{"NEG-ERR", "n", "invalid: NEG-OPEN has a filter and a message"}},
		{"reconciliation not in hex", `["NEG-OPEN","n",{},"xy"]`, []any{"NEG-ERR", "n", "invalid: the message is not hex"}},
		{"unknown session", `["NEG-MSG","n","61"]`, []any{"NEG-ERR", "n", "closed: no such session"}},
		{"AUTH without a challenge", fmt.Sprintf(`["AUTH",%s]`, valid.Event), []any{"OK", valid.Event.ID, false, "invalid: AUTH takes an event of kind 22242"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := dial(t, start(t, NewMemory(), Limits{}))
			p.write("%s", c.message)
			p.want(c.want...)
			p.sync()
		})
	}
}

func TestLimits(t *testing.T) {
	m := NewMemory()
	for i := range 30 {
		m.Add(sign(t, 1, 1, int64(i), fmt.Sprint(i)))
	}
	s := start(t, m, Limits{Subscriptions: 2, PageLimit: 10, DefaultLimit: 5, Reconciliations: -1, MessageBytes: 2000, FilterValues: 3})
	p := dial(t, s)
	require.Len(t, p.page("a", `{"limit":1000}`), 10)
	require.Len(t, p.page("a", `{}`), 5)
	require.Len(t, p.page("b", `{"limit":3}`), 3)
	p.write(`["REQ","c",{}]`)
	p.want("CLOSED", "c", "rate-limited: too many subscriptions, at most 2 at a time")
	p.write(`["CLOSE","a"]`)
	require.Len(t, p.page("c", `{"limit":1}`), 1, "a closed one makes room")
	p.write(`["REQ","b",{"kinds":[1,2,3,4]}]`)
	p.want("CLOSED", "b", "invalid: too many values in the filters of one message")
	require.Len(t, p.page("d", `{"limit":1}`), 1, "a refused one makes room")
	p.write(`["NEG-OPEN","n",{},"61"]`)
	p.want("NOTICE", "unsupported: negentropy")
	p.write(`["REQ","a",{"#d":["%s"]}]`, strings.Repeat("x", 3000))
	_, _, err := p.conn.Read(t.Context())
	require.Equal(t, websocket.StatusMessageTooBig, websocket.CloseStatus(err))
}

func TestTooManyClients(t *testing.T) {
	s := start(t, NewMemory(), Limits{Clients: 1})
	dial(t, s)
	_, resp, err := websocket.Dial(t.Context(), s.URL(), nil)
	require.Error(t, err)
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
}

func TestRelayInformation(t *testing.T) {
	s := start(t, NewMemory(), Limits{Subscriptions: 7, PageLimit: 50})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr(), nil)
	require.NoError(t, err)
	req.Header.Set("Accept", "application/nostr+json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	require.Equal(t, "*", resp.Header.Get("Access-Control-Allow-Origin"))
	var doc struct {
		Name       string         `json:"name"`
		NIPs       []int          `json:"supported_nips"`
		Limitation map[string]any `json:"limitation"`
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&doc))
	require.Equal(t, "test", doc.Name)
	require.Equal(t, []int{1, 9, 11, 42, 70, 77}, doc.NIPs)
	require.EqualValues(t, 7, doc.Limitation["max_subscriptions"])
	require.EqualValues(t, 50, doc.Limitation["max_limit"])
	require.EqualValues(t, 1<<20+1<<10, doc.Limitation["max_message_length"])
}

func TestProtectedEventsNeedTheirAuthor(t *testing.T) {
	s := start(t, NewMemory(), Limits{})
	p := dial(t, s)
	e := sign(t, 1, 1, 1000, "mine", nostr.Tag{"-"})
	p.write(`["EVENT",%s]`, e.Event)
	m := p.read()
	require.Equal(t, "AUTH", m[0])
	challenge := m[1].(string)
	p.want("OK", e.Event.ID, false, "auth-required: this event may only be published by its author")

	now := time.Now().Unix()
	answer := func(key int, at int64, relay, challenge string) *event.Event {
		return sign(t, key, event.KindAuth, at, "", nostr.Tag{"relay", relay}, nostr.Tag{"challenge", challenge})
	}
	for _, c := range []struct {
		e    *event.Event
		want string
	}{
		{answer(1, now, s.URL(), "other"), "invalid: not the challenge of this connection"},
		{answer(1, now, "wss://elsewhere.example", challenge), "invalid: the relay tag names another relay"},
		{answer(1, now-3600, s.URL(), challenge), "invalid: created_at is not now"},
	} {
		p.write(`["AUTH",%s]`, c.e.Event)
		p.want("OK", c.e.Event.ID, false, c.want)
	}
	other := answer(2, now, s.URL()+"/", challenge)
	p.write(`["AUTH",%s]`, other.Event)
	p.want("OK", other.Event.ID, true, "")
	p.write(`["EVENT",%s]`, e.Event)
	require.Equal(t, "AUTH", p.read()[0])
	require.Equal(t, false, p.read()[2], "proven to be somebody else")

	mine := answer(1, now, s.URL(), challenge)
	p.write(`["AUTH",%s]`, mine.Event)
	p.want("OK", mine.Event.ID, true, "")
	ok, msg := p.publish(e)
	require.True(t, ok, msg)
}

// stalled answers no event until it is let go.
type stalled struct {
	*Memory
	taken chan struct{}
	gate  chan struct{}
}

func (b *stalled) Publish(e *event.Event, answer func(Answer)) {
	b.taken <- struct{}{}
	go func() {
		<-b.gate
		b.Memory.Publish(e, answer)
	}()
}

func TestCloseAnswersWhatWasTaken(t *testing.T) {
	b := &stalled{Memory: NewMemory(), taken: make(chan struct{}, 3), gate: make(chan struct{})}
	s, err := Listen(t.Context(), "127.0.0.1:0", Options{Backend: b})
	require.NoError(t, err)
	p := dial(t, s)
	for i := range 3 {
		p.write(`["EVENT",%s]`, sign(t, 1, 1, int64(i), "x").Event)
		<-b.taken
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close(context.Background()) }()
	<-s.stop
	p.write(`["EVENT",%s]`, sign(t, 1, 1, 99, "late").Event)
	require.Equal(t, "error: the relay is closing", p.read()[3])
	close(b.gate)
	for range 3 {
		require.Equal(t, true, p.read()[2])
	}
	_, _, err = p.conn.Read(t.Context())
	require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err))
	require.NoError(t, <-closed)
	require.Len(t, b.All(), 3)
	_, _, err = websocket.Dial(t.Context(), s.URL(), nil)
	require.Error(t, err)
}

func TestCloseCutsOffWhoStaysTooLong(t *testing.T) {
	b := &stalled{Memory: NewMemory(), taken: make(chan struct{}, 1), gate: make(chan struct{})}
	s, err := Listen(t.Context(), "127.0.0.1:0", Options{Backend: b})
	require.NoError(t, err)
	p := dial(t, s)
	p.write(`["EVENT",%s]`, sign(t, 1, 1, 1, "x").Event)
	<-b.taken
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Close(ctx), context.Canceled)
	close(b.gate)
}

func TestWhoDoesNotReadIsCutOff(t *testing.T) {
	m := NewMemory()
	s := start(t, m, Limits{OutBytes: 100_000})
	deafWithLive(t, s)
	writer := dial(t, s)
	body := strings.Repeat("x", 50_000)
	for i := 0; s.clients.Load() == 2; i++ {
		ok, _ := writer.publish(sign(t, 1, 1, int64(i), body))
		require.True(t, ok)
		require.Less(t, i, 300, "the client is still connected") // what the sockets hold, and less than the default
	}
	require.EqualValues(t, 1, s.clients.Load())
	writer.sync()
}
