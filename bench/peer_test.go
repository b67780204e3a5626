package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// dialect is a client of a peer that speaks JSON by hand.
type dialect struct {
	t  *testing.T
	ws *websocket.Conn
}

func dialPeer(t *testing.T, p *peer) dialect {
	t.Helper()
	ws, _, err := websocket.Dial(t.Context(), p.urls()[0], nil)
	require.NoError(t, err)
	ws.SetReadLimit(1 << 20)
	t.Cleanup(func() { _ = ws.CloseNow() })
	return dialect{t, ws}
}

func (d dialect) say(msg string) {
	d.t.Helper()
	require.NoError(d.t, d.ws.Write(d.t.Context(), websocket.MessageText, []byte(msg)))
}

// hear reads the next message and gives its elements; an event is given as its id.
func (d dialect) hear() []string {
	d.t.Helper()
	_, msg, err := d.ws.Read(d.t.Context())
	require.NoError(d.t, err)
	var parts []any
	require.NoError(d.t, json.Unmarshal(msg, &parts), string(msg))
	var out []string
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			out = append(out, p)
		case bool:
			out = append(out, map[bool]string{true: "true", false: "false"}[p])
		case map[string]any:
			id, ok := p["id"].(string)
			require.True(d.t, ok)
			out = append(out, id)
		}
	}
	return out
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func small(t *testing.T) *corpus {
	t.Helper()
	c, err := generate(spec{Repos: 2, Roots: 4, Comments: 20, Live: 3})
	require.NoError(t, err)
	return c
}

func TestSourceAnswersPagesAndSendsLiveEvents(t *testing.T) {
	c := small(t)
	s := newStore()
	src, err := newSource(bounded(t), s, loopback, "127.0.1.9")
	require.NoError(t, err)
	defer src.close()
	require.Len(t, src.urls(), 2)
	ids, err := fill(s, c, src.urls())
	require.NoError(t, err)
	require.Len(t, ids, 26)

	d := dialPeer(t, src.peer)
	newest := naive(c.stored, nostr.Filter{Kinds: []int{1111}}, 1)[0]
	d.say(`["REQ","h1",{"kinds":[1111],"limit":1}]`)
	require.Equal(t, []string{"EVENT", "h1", newest}, d.hear())
	require.Equal(t, []string{"EOSE", "h1"}, d.hear())
	d.say(`["CLOSE","h1"]`)
	d.say(`["REQ","live",{"kinds":[1111],"limit":0},{"#K":["1621","1617","1618"],"limit":0}]`)
	require.Equal(t, []string{"EOSE", "live"}, d.hear())

	src.live(c.live[0])
	require.Equal(t, []string{"EVENT", "live", c.live[0].event.ID}, d.hear(), "once, and not for the closed subscription")
	src.live(c.live[0]) // it is stored already
	src.live(c.live[1])
	require.Equal(t, []string{"EVENT", "live", c.live[1].event.ID}, d.hear())
	_, sent := src.sentAt(c.live[0].event.ID)
	require.True(t, sent)
	_, sent = src.sentAt(newest)
	require.False(t, sent, "not live")

	d.say(`["COUNT","x",{}]`)
	require.Equal(t, "NOTICE", d.hear()[0])
	require.EqualValues(t, 1, src.requests.Load())
	require.EqualValues(t, 3, src.events.Load())
}

func TestPeerSaysItsLimits(t *testing.T) {
	src, err := newSource(bounded(t), newStore(), loopback)
	require.NoError(t, err)
	defer src.close()
	resp, err := http.Get("http://" + src.addresses[0])
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.JSONEq(t, document, string(body))
	require.Contains(t, document, `"max_limit":500`)
	require.Equal(t, 500, pageCap)
}

func TestSinkAnswersCountsAndTellsBack(t *testing.T) {
	c := small(t)
	root, other := c.stored[0], c.stored[1]
	require.NotEqual(t, 1111, root.event.Kind)
	require.Equal(t, 1111, other.event.Kind)
	own, err := newSink(bounded(t), []string{root.event.ID, other.event.ID})
	require.NoError(t, err)
	defer own.close()

	reader, writer := dialPeer(t, own.peer), dialPeer(t, own.peer)
	reader.say(`["REQ","self",{"kinds":[1617,1618,1621],"limit":0},{"kinds":[1111],"limit":0}]`)
	require.Equal(t, []string{"EOSE", "self"}, reader.hear())

	writer.say(`["EVENT",` + string(other.raw) + `]`)
	require.Equal(t, []string{"OK", other.event.ID, "true", ""}, writer.hear())
	writer.say(`["EVENT",` + string(root.raw) + `]`)
	require.Equal(t, []string{"OK", root.event.ID, "true", ""}, writer.hear())
	require.Equal(t, []string{"EVENT", "self", root.event.ID}, reader.hear(), "comments are not told back")
	<-own.done()
	require.Empty(t, own.missing())
	require.Len(t, own.arrivals(), 2)
	_, ok := own.answeredAt(root.event.ID)
	require.True(t, ok)

	reader.say(`["REQ","picture",{"kinds":[1617,1618,1621]}]`)
	require.Equal(t, []string{"EVENT", "picture", root.event.ID}, reader.hear())
	require.Equal(t, []string{"EOSE", "picture"}, reader.hear())

	own.expect([]string{root.event.ID, hexID(5)})
	require.Equal(t, []string{hexID(5)}, own.missing())
	select {
	case <-own.done():
		t.Fatal("complete without what is missing")
	default:
	}
}

func TestPeekFindsWhatTheLibraryFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := nostr.Event{
			ID: hexID(rapid.Int().Filter(func(n int) bool { return n >= 0 }).Draw(t, "id")), PubKey: hexID(1), Sig: strings.Repeat("0", 128),
			Kind: rapid.IntRange(0, 65535).Draw(t, "kind"), CreatedAt: 1,
			Content: rapid.OneOf(rapid.String(), rapid.Just(`{"id":"00","kind":7}`)).Draw(t, "content"),
			Tags:    nostr.Tags{{"id", "kind"}, {rapid.Just(`"id":"`).Draw(t, "tag"), rapid.String().Draw(t, "value")}},
		}
		raw, err := e.MarshalJSON()
		require.NoError(t, err)
		id, kind, ok := peek(append([]byte(`["EVENT",`), append(raw, ']')...))
		require.True(t, ok)
		require.Equal(t, e.ID, id)
		require.Equal(t, e.Kind, kind)
	})
	for _, msg := range []string{``, `["EVENT",{}]`, `["EVENT",{"id":"00","kind":1}]`, `["EVENT",{"id":"` + hexID(1) + `"}]`,
		`["EVENT",{"id":"` + hexID(1) + `","kind":"x"}]`} {
		_, _, ok := peek([]byte(msg))
		require.False(t, ok, msg)
	}
}

func TestSourceReconciles(t *testing.T) {
	c := small(t)
	s := newStore()
	src, err := newSource(bounded(t), s, loopback)
	require.NoError(t, err)
	defer src.close()
	src.speaks = true
	for _, e := range c.stored {
		s.add(e)
	}
	d := dialPeer(t, src.peer)
	d.say(`["NEG-OPEN","n1",{"kinds":[1111]},"6100000200"]`) // everything, as a list, of which we have nothing
	answer := d.hear()
	require.Equal(t, []string{"NEG-MSG", "n1"}, answer[:2])
	comments := 0
	for _, e := range c.stored {
		if e.event.Kind == 1111 {
			comments++
			require.Contains(t, answer[2], e.event.ID)
		} else {
			require.NotContains(t, answer[2], e.event.ID)
		}
	}
	require.Equal(t, comments, (len(answer[2])-10)/64)
	d.say(`["NEG-CLOSE","n1"]`)
	d.say(`["NEG-MSG","n1","61"]`)
	require.Equal(t, []string{"NEG-ERR", "n1"}, d.hear()[:2])
	require.EqualValues(t, 1, src.sessions.Load())
}

func TestOneCommentInAHundredIsTakenOut(t *testing.T) {
	c := small(t)
	common, lacking := divide(c, 3)
	require.Len(t, lacking, 3)
	require.ElementsMatch(t, c.stored, append(common, lacking...))
	for _, e := range lacking {
		require.Equal(t, 1111, e.event.Kind)
	}
}
