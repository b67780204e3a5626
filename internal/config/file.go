package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const maxFile = 1 << 20 // bytes

// readFile takes the settings of a YAML file.
func (l *loader) readFile(path string) {
	src := Source{Layer: FromFile, Name: path}
	f, err := os.Open(path)
	if err != nil {
		l.fail(src, "", "", reasonOf(err), "a file that can be read")
		return
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		l.fail(src, "", "", reasonOf(err), "a file that can be read")
		return
	}
	l.parseFile(path, data)
}

// reasonOf drops the path from a file error: the message names it already.
func reasonOf(err error) string {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}

// parseFile walks nodes instead of decoding into Config, so that every message has a line and an unknown key is one.
func (l *loader) parseFile(path string, data []byte) {
	src := Source{Layer: FromFile, Name: path}
	if len(data) > maxFile {
		l.fail(src, "", "", fmt.Sprintf("larger than %s", Size(maxFile)), "")
		return
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, next yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return
	} else if err != nil {
		line, reason := syntaxError(err)
		src.Line = line
		l.fail(src, "", "", reason, "YAML")
		return
	}
	if err := dec.Decode(&next); !errors.Is(err, io.EOF) {
		src.Line = next.Line
		l.fail(src, "", "", "more than one document", "one YAML document")
		return
	}
	if len(doc.Content) == 1 {
		l.section(src, "", doc.Content[0])
	}
}

// syntaxError takes the line out of the parser's message, which has no other form.
func syntaxError(err error) (line int, reason string) {
	reason = strings.TrimPrefix(err.Error(), "yaml: ")
	if n, _ := fmt.Sscanf(reason, "line %d:", &line); n == 1 {
		_, reason, _ = strings.Cut(reason, ": ")
	}
	return line, reason
}

// section takes one mapping; path is empty at the top.
func (l *loader) section(src Source, path string, n *yaml.Node) {
	n = resolve(n)
	src.Line = n.Line
	names := schema().sections[path]
	if isNull(n) {
		return // a section whose keys are all commented out
	}
	if n.Kind != yaml.MappingNode {
		l.fail(src, path, "", kindName(n)+" where a section belongs", "a mapping with "+strings.Join(names, ", "))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := resolve(n.Content[i]), n.Content[i+1]
		src.Line = n.Content[i].Line
		full := join(path, name.Value)
		switch first, twice := seen[name.Value]; {
		case name.Kind != yaml.ScalarNode || !slices.Contains(names, name.Value):
			l.unknownKey(src, path, name)
		case twice:
			l.fail(src, full, "", fmt.Sprintf("given twice, first in line %d", first), "one value")
		default:
			seen[name.Value] = src.Line
			l.entry(src, full, value)
		}
	}
}

func (l *loader) entry(src Source, name string, n *yaml.Node) {
	k, isKey := KeyOf(name)
	if !isKey {
		l.section(src, name, n)
		return
	}
	n = resolve(n)
	switch {
	case isNull(n):
		// a key without a value keeps its default
	case k.List && n.Kind == yaml.SequenceNode:
		l.list(src, k, n)
	case !k.List && n.Kind == yaml.ScalarNode:
		l.set(k, src, []given{{n.Value, src}})
	default:
		l.fail(src, name, "", "wrong type: "+kindName(n), k.Allowed)
	}
}

func (l *loader) list(src Source, k Key, n *yaml.Node) {
	values := make([]given, 0, len(n.Content))
	for _, e := range n.Content {
		at := src
		at.Line = e.Line
		e = resolve(e)
		if e.Kind != yaml.ScalarNode || isNull(e) {
			l.fail(at, k.Name, "", "wrong type in the list: "+kindName(e), k.Allowed)
			return
		}
		values = append(values, given{e.Value, at})
	}
	l.set(k, src, values)
}

func (l *loader) unknownKey(src Source, path string, name *yaml.Node) {
	names := strings.Join(schema().sections[path], ", ")
	if name.Kind != yaml.ScalarNode {
		l.fail(src, path, "", kindName(name)+" as a key", names)
		return
	}
	l.fail(src, path, Quote(name.Value), "unknown key"+suggestion(join(path, cut(name.Value)), knownNames()), names)
}

// resolve follows an alias. The tree that is read has a fixed depth, so a cycle of aliases cannot be followed for ever.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if isNull(n) {
		return "nothing"
	}
	return "a single value"
}
