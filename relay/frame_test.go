package relay

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/filters"
	"github.com/ngit-sync/ngit-sync/internal/corpus"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

func TestSplitFrame(t *testing.T) {
	long := strings.Repeat("é", maxTextLen)
	tests := []struct {
		name string
		msg  string
		want Frame
	}{
		{"event", `["EVENT","s",{"id":"x"}]`, Frame{Kind: FrameEvent, Sub: "s", Event: []byte(`{"id":"x"}`)}},
		{"newline behind", "[\"EOSE\",\"s\"]\n", Frame{Kind: FrameEOSE, Sub: "s"}},
		{"space everywhere", " [ \"EVENT\" , \"s\" ,\t{} ] \r\n", Frame{Kind: FrameEvent, Sub: "s", Event: []byte(`{}`)}},
		{"escaped id", `["EOSE","a\"\\\u00e9"]`, Frame{Kind: FrameEOSE, Sub: `a"\é`}},
		{"finish", `["EOSE","s","finish"]`, Frame{Kind: FrameEOSE, Sub: "s", Hint: filters.HintFinish}},
		{"finish in an array", `["EOSE","s",["auth", "finish"]]`, Frame{Kind: FrameEOSE, Sub: "s", Hint: filters.HintFinish}},
		{"more", `["EOSE","s",["more"]]`, Frame{Kind: FrameEOSE, Sub: "s", Hint: filters.HintMore}},
		{"no hint", `["EOSE","s",[]]`, Frame{Kind: FrameEOSE, Sub: "s"}},
		{"both", `["EOSE","s",["more","finish"]]`, Frame{Kind: FrameEOSE, Sub: "s"}},
		{"unknown hint", `["EOSE","s",{"x":[1]}]`, Frame{Kind: FrameEOSE, Sub: "s"}},
		{"ok", `["OK","id",true,""]`, Frame{Kind: FrameOK, Sub: "id", OK: true}},
		{"ok of three", `["OK","id",false]`, Frame{Kind: FrameOK, Sub: "id"}},
		{"not ok", `["OK","id",false,"blocked: \"no\""]`, Frame{Kind: FrameOK, Sub: "id", Text: `blocked: "no"`}},
		{"closed", `["CLOSED","s","error: x"]`, Frame{Kind: FrameClosed, Sub: "s", Text: "error: x"}},
		{"closed of two", `["CLOSED","s"]`, Frame{Kind: FrameClosed, Sub: "s"}},
		{"notice", `["NOTICE","hi"]`, Frame{Kind: FrameNotice, Text: "hi"}},
		{"notice of another sort", `["NOTICE",{"a":1}]`, Frame{Kind: FrameNotice, Text: `{"a":1}`}},
		{"long notice", `["NOTICE","` + long + `"]`, Frame{Kind: FrameNotice, Text: long[:maxTextLen]}},
		{"raw newline in a notice", "[\"NOTICE\",\"a\n\\\"b\"]", Frame{Kind: FrameNotice, Text: "a\n\\\"b"}},
		{"broken UTF-8", "[\"NOTICE\",\"a\xff\"]", Frame{Kind: FrameNotice, Text: "a\uFFFD"}},
		{"auth", `["AUTH","challenge"]`, Frame{Kind: FrameAuth, Text: "challenge"}},
		{"count", `["COUNT","s",{"count":3}]`, Frame{Kind: FrameCount, Sub: "s", Body: []byte(`{"count":3}`)}},
		{"neg msg", `["NEG-MSG","n","61ff"]`, Frame{Kind: FrameNegMsg, Sub: "n", Body: []byte("61ff")}},
		{"neg err", `["NEG-ERR","n","blocked: big",1000]`, Frame{Kind: FrameNegErr, Sub: "n", Text: "blocked: big", Count: 1000}},
		{"neg error", `["NEG-ERROR","n","CLOSED"]`, Frame{Kind: FrameNegErr, Sub: "n", Text: "CLOSED"}},
		{"neg error unescaped", `["NEG-ERROR","n","bad "word", bad"]`, Frame{Kind: FrameNegErr, Sub: "n", Text: `bad "word", bad`}},
		{"neg error bare", `["NEG-ERR","n"]`, Frame{Kind: FrameNegErr, Sub: "n"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.Size = len(tt.msg)
			require.Equal(t, tt.want, SplitFrame([]byte(tt.msg)))
		})
	}
}

var brokenFrames = []string{
	``, `[`, `]`, `[]`, `{}`, `null`, "\x00", `["`, `["EVENT`, `["EVENT"`, `["EVENT","`, `["EVENT",""]`, `["EVENT","s"]`,
	`["EVENT","s",]`, `["EVENT","s","x"]`, `["EVENT" "s" {}]`, `["EVENT",1,{}]`, `["PING"]`, `["event","s",{}]`, `["EOSE"]`, `["EOSE",1]`,
	`["OK"]`, `["OK","id"]`, `["OK","id","true",""]`, `["OK","id",1]`, `["CLOSED"]`, `["NOTICE"]`, `["AUTH"]`, `["COUNT","s"]`,
	`["NEG-MSG","n"]`, `["NEG-MSG","n",""`, `["NEG-MSG","n",61]`, `["NEG-MSG","n","6g"]`, `["NEG-MSG","n","61","x"]`, `["EOSE","` + strings.Repeat("x", maxSubLen+1) + `"]`,
	`["EVENT","\`, `["EVENT","\"]`, `["\u0045VENT`,
}

func TestBrokenFrames(t *testing.T) {
	for _, msg := range brokenFrames {
		f := SplitFrame([]byte(msg))
		require.Equal(t, Broken, f.Kind, "%q", msg)
		require.Error(t, f.Err, "%q", msg)
	}
}

func FuzzSplitFrame(f *testing.F) {
	for _, msg := range brokenFrames {
		f.Add([]byte(msg))
	}
	for _, msg := range []string{
		`["EVENT","s",{"id":"x"}]`, `["EOSE","s",["finish"]]`, `["OK","id",false,"blocked: \"no\""]`, `["CLOSED","s","error: x"]`,
		`["NOTICE",{"a":1}]`, `["AUTH","c"]`, `["COUNT","s",{"count":3}]`, `["NEG-MSG","n","61ff"]`, `["NEG-ERROR","n","a "b" c",3]`,
	} {
		f.Add([]byte(msg))
	}
	for _, event := range corpus.Events() {
		f.Add(slices.Concat([]byte(`["EVENT","s",`), event, []byte(`]`)))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		got := SplitFrame(msg)
		require.Equal(t, got.Kind == Broken, got.Err != nil)
		require.Equal(t, len(msg), got.Size)
		require.LessOrEqual(t, len(got.Text), maxTextLen)
		require.True(t, utf8.ValidString(got.Text) && utf8.ValidString(got.Sub))
		require.GreaterOrEqual(t, got.Count, int64(0))
		_ = got.Kind.String()
		// What encoding/json reads as an envelope of strings must come out the same.
		var parts []string
		if got.Kind == FrameNotice && json.Unmarshal(msg, &parts) == nil && len(parts) == 2 && len(parts[1]) <= maxTextLen {
			require.Equal(t, parts[1], got.Text)
		}
	})
}

func TestEncode(t *testing.T) {
	req, err := EncodeREQ(`a"b`, []nostr.Filter{
		{Kinds: []int{30617}, LimitZero: true},
		{Tags: nostr.TagMap{"a": {`30617:x:d"e`}}, Limit: 5},
	})
	require.NoError(t, err)
	require.JSONEq(t, `["REQ","a\"b",{"kinds":[30617],"limit":0},{"#a":["30617:x:d\"e"],"limit":5}]`, string(req))
	require.JSONEq(t, `["CLOSE","a\"b"]`, string(EncodeClose(`a"b`)))

	e := relaytest.Event(1, 1, 1000, "text \"\n\u2028<&>", nostr.Tag{"t", `"`})
	msg, err := EncodeEvent(&e)
	require.NoError(t, err)
	var parts []json.RawMessage
	require.NoError(t, json.Unmarshal(msg, &parts))
	require.Len(t, parts, 2)
	var back nostr.Event
	require.NoError(t, json.Unmarshal(parts[1], &back))
	require.True(t, back.CheckID())
	require.Equal(t, e.Content, back.Content)

	auth, err := EncodeAuth(&e)
	require.NoError(t, err)
	require.JSONEq(t, strings.Replace(string(msg), `"EVENT"`, `"AUTH"`, 1), string(auth))
}
