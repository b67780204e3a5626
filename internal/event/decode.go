package event

import (
	"errors"
	"fmt"

	"github.com/mailru/easyjson/jlexer"
	"github.com/nbd-wtf/go-nostr"
)

// Bits of the fields seen; all seven make an event.
const (
	hasID = 1 << iota
	hasPubKey
	hasCreatedAt
	hasKind
	hasTags
	hasContent
	hasSig
	hasAll = 1<<iota - 1
)

var fieldNames = [...]string{"id", "pubkey", "created_at", "kind", "tags", "content", "sig"}

// decode reads the seven fields of NIP-01 and skips others. The generated decoder of the library takes null, missing and
// doubled fields, about which other readers disagree, and has no bounds.
func decode(raw []byte, lim Limits, n *nostr.Event) error {
	in := jlexer.Lexer{Data: raw}
	seen := 0
	in.Delim('{')
	for in.Ok() && !in.IsDelim('}') {
		key := in.UnsafeFieldName(true)
		in.WantColon()
		field := 0
		switch key {
		case "id":
			field, n.ID = hasID, in.String()
		case "pubkey":
			field, n.PubKey = hasPubKey, in.String()
		case "created_at":
			field, n.CreatedAt = hasCreatedAt, nostr.Timestamp(in.Int64())
		case "kind":
			field, n.Kind = hasKind, in.Int()
		case "tags":
			if seen&hasTags != 0 {
				return shapeError("tags twice")
			}
			tags, err := decodeTags(&in, lim)
			if err != nil {
				return err
			}
			field, n.Tags = hasTags, tags
		case "content":
			field, n.Content = hasContent, in.String()
		case "sig":
			field, n.Sig = hasSig, in.String()
		default:
			in.SkipRecursive()
		}
		if seen&field != 0 {
			return shapeError("%s twice", key)
		}
		seen |= field
		in.WantComma()
	}
	in.Delim('}')
	in.Consumed()
	if err := in.Error(); err != nil {
		return lexError(err)
	}
	if seen != hasAll {
		for i, name := range fieldNames {
			if seen&(1<<i) == 0 {
				return shapeError("no %s", name)
			}
		}
	}
	return nil
}

func decodeTags(in *jlexer.Lexer, lim Limits) (nostr.Tags, error) {
	tags := make(nostr.Tags, 0, 8)
	elements := 0
	in.Delim('[')
	for in.Ok() && !in.IsDelim(']') {
		if len(tags) == lim.Tags {
			return nil, &ParseError{ReasonTags, fmt.Errorf("more than %d tags", lim.Tags)}
		}
		tag := make(nostr.Tag, 0, 4)
		size := 0
		in.Delim('[')
		for in.Ok() && !in.IsDelim(']') {
			s := in.String()
			if size += len(s); size > lim.TagBytes {
				return nil, &ParseError{ReasonTags, fmt.Errorf("a tag of more than %d bytes", lim.TagBytes)}
			}
			if elements++; elements > lim.Elements {
				return nil, &ParseError{ReasonTags, fmt.Errorf("more than %d elements", lim.Elements)}
			}
			tag = append(tag, s)
			in.WantComma()
		}
		in.Delim(']')
		if len(tag) == 0 && in.Ok() {
			return nil, shapeError("an empty tag") // NIP-01: one or more strings
		}
		tags = append(tags, tag)
		in.WantComma()
	}
	in.Delim(']')
	return tags, nil
}

// lexError leaves out the input that the lexer quotes: it is hostile and can be as long as the event.
func lexError(err error) error {
	var lex *jlexer.LexerError
	if errors.As(err, &lex) {
		err = fmt.Errorf("%.60s at byte %d", lex.Reason, lex.Offset)
	}
	return &ParseError{ReasonJSON, err}
}
