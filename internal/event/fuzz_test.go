package event

import (
	"errors"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/corpus"
)

// FuzzParse: no input panics, every refusal has a reason, and whatever is taken is taken again, unchanged, in the form in
// which we publish it.
func FuzzParse(f *testing.F) {
	for _, raw := range slices.Concat(corpus.Events(), invalid(f)) {
		f.Add(raw)
	}
	for _, s := range []string{
		``, `{`, `{}`, `null`, `[]`, `{"id":"`, `{"id":null}`, `{"tags":[["`, `{"tags":[[]]}`, `{"x":[{"y":"]}"}]}`,
		`{"kind":1e3}`, `{"kind":-0}`, `{"content":"\ud800\udfff\u0000\/"}`, "{\"content\":\"\xff\"}", `{"id":1,"id":2}`,
	} {
		f.Add([]byte(s))
	}
	reasons := map[string]bool{ReasonSize: true, ReasonJSON: true, ReasonShape: true, ReasonTags: true, ReasonID: true}
	lim := Limits{Bytes: 64 << 10, Tags: 50, TagBytes: 4096, Elements: 200}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := Parse(raw, lim)
		if err != nil {
			var pe *ParseError
			require.True(t, errors.As(err, &pe) && reasons[pe.Reason], "%v", err)
			require.Nil(t, e)
			require.True(t, utf8.ValidString(err.Error()))
			Blameless(raw)
			if e := Glance(raw); e != nil {
				require.True(t, e.CreatedAt >= 0 && e.CreatedAt <= maxCreatedAt)
			}
			return
		}
		require.Equal(t, e.Verify(), Blameless(raw))
		out, err := e.MarshalJSON()
		require.NoError(t, err)
		again, err := Parse(out, Limits{})
		require.NoError(t, err, "%s", out)
		require.Equal(t, e.Event, again.Event)
		e.References()
		e.Coordinate()
	})
}

// FuzzHashed gives the checks behind the hash something to do: the id is made to fit.
func FuzzHashed(f *testing.F) {
	f.Add("t", "x", "hello", int64(1), 1)
	f.Add("", "\x00\u2028", "\"\\\b\f\n\r\t\x1b\x7f", int64(0), 30617)
	for _, raw := range corpus.Events() {
		e, err := Parse(raw, DefaultLimits())
		require.NoError(f, err)
		for _, tag := range e.Tags[:min(1, len(e.Tags))] {
			f.Add(tag[0], tag[len(tag)-1], e.Content, int64(e.CreatedAt), e.Kind)
		}
	}
	f.Fuzz(func(t *testing.T, name, value, content string, at int64, kind int) {
		n := nostrEvent(name, value, content, at, kind)
		e, err := Wrap(n)
		if err != nil {
			return
		}
		out, err := e.MarshalJSON()
		require.NoError(t, err)
		back, err := Parse(out, Limits{})
		valid := utf8.ValidString(name) && utf8.ValidString(value) && utf8.ValidString(content)
		if !valid {
			return // JSON cannot carry it: the library writes replacement characters
		}
		require.NoError(t, err, "%s", out)
		require.Equal(t, e.Event, back.Event)
	})
}

func FuzzParseRef(f *testing.F) {
	f.Add("30617:" + hexOf(1) + ":d")
	f.Add("1:" + hexOf(1) + ":")
	f.Add("00:x:")
	for _, raw := range corpus.Events() {
		e, err := Parse(raw, DefaultLimits())
		require.NoError(f, err)
		for _, tag := range e.Tags {
			if len(tag) > 1 && tag[0] == "a" {
				f.Add(tag[1])
			}
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := ParseRef(s); err == nil {
			require.Equal(t, s, r.String())
		}
	})
}
