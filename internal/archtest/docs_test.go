package archtest

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

var (
	mdLink    = regexp.MustCompile(`\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|^\[[^\]]+\]:\s*(\S+)`)
	mdHeading = regexp.MustCompile(`^#{1,6}\s+(.*?)\s*#*$`)
	mdScheme  = regexp.MustCompile(`^[a-z][a-z0-9+.-]*:`)
	mdCode    = regexp.MustCompile("`[^`]*`")
)

// prose calls yield for the lines of a Markdown text that are not inside a fenced block.
func prose(text string, yield func(line int, text string)) {
	fenced := false
	for i, line := range strings.Split(text, "\n") {
		if trimmed := strings.TrimSpace(line); strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~") {
			fenced = !fenced
			continue
		}
		if !fenced {
			yield(i+1, line)
		}
	}
}

// anchors are the fragments that the headings of a Markdown text can be linked by, as GitHub forms them.
func anchors(text string) map[string]bool {
	out := map[string]bool{}
	prose(text, func(_ int, line string) {
		m := mdHeading.FindStringSubmatch(line)
		if m == nil {
			return
		}
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[1])
		for base, n := slug, 1; out[slug]; n++ {
			slug = fmt.Sprintf("%s-%d", base, n)
		}
		out[slug] = true
	})
	return out
}

// linkFaults checks the local links of one document. text gives the content of a file of the tree, or
// false when there is none; a directory's content is empty.
func linkFaults(doc string, text func(name string) (string, bool)) []string {
	var faults []string
	body, _ := text(doc)
	prose(body, func(n int, line string) {
		for _, m := range mdLink.FindAllStringSubmatch(mdCode.ReplaceAllString(line, "``"), -1) {
			link := m[1] + m[2]
			if mdScheme.MatchString(link) {
				continue
			}
			target, fragment, _ := strings.Cut(link, "#")
			name := doc
			if target != "" {
				name = path.Join(path.Dir(doc), target)
			}
			content, ok := text(name)
			switch {
			case !ok:
				faults = append(faults, fmt.Sprintf("%s:%d: %s does not exist", doc, n, target))
			case fragment != "" && strings.HasSuffix(name, ".md") && !anchors(content)[fragment]:
				faults = append(faults, fmt.Sprintf("%s:%d: %s has no heading for #%s", doc, n, name, fragment))
			}
		}
	})
	return faults
}

func TestLinksLead(t *testing.T) {
	onDisk := func(name string) (string, bool) {
		full := filepath.Join(root, filepath.FromSlash(name))
		info, err := os.Stat(full)
		if err != nil {
			return "", false
		}
		if info.IsDir() {
			return "", true
		}
		return read(t, name), true
	}
	var faults []string
	for _, doc := range files(t, ".md") {
		faults = append(faults, linkFaults(doc, onDisk)...)
	}
	none(t, faults)
}

func TestLinkFaultsAreFound(t *testing.T) {
	tree := map[string]string{
		"docs/a.md": "# One: two\n\n[ok](b.md) [ok](../sync/) [ok](#one-two) [ok](b.md#c-1) [ok](https://example.com/x)\n" +
			"[gone](c.md) `[code](d.md)`\n[no heading](b.md#d)\n```\n[fenced](e.md)\n```\n[ref]: f.md\n",
		"docs/b.md": "# C\n## C\n",
		"sync":      "",
	}
	got := linkFaults("docs/a.md", func(name string) (string, bool) { s, ok := tree[name]; return s, ok })
	require.Equal(t, []string{
		"docs/a.md:4: c.md does not exist",
		"docs/a.md:5: docs/b.md has no heading for #d",
		"docs/a.md:9: f.md does not exist",
	}, got)
}

var decisionName = regexp.MustCompile(`^(\d{4})-[a-z0-9-]+\.md$`)

// decisionFaults checks the form of one record: a numbered title, then Context, Decision and Cost, short.
func decisionFaults(name, text string) []string {
	base := path.Base(name)
	m := decisionName.FindStringSubmatch(base)
	if m == nil {
		return []string{name + ": want NNNN-some-words.md"}
	}
	var faults []string
	if !strings.HasPrefix(text, "# "+m[1]+" ") {
		faults = append(faults, name+": the first line must be \"# "+m[1]+" Title\"")
	}
	var sections []string
	prose(text, func(_ int, line string) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			sections = append(sections, title)
		}
	})
	if got := strings.Join(sections, ", "); got != "Context, Decision, Cost" {
		faults = append(faults, name+": sections are \""+got+"\", want \"Context, Decision, Cost\"")
	}
	if n := strings.Count(text, "\n"); n > 40 {
		faults = append(faults, fmt.Sprintf("%s: %d lines; a record is short", name, n))
	}
	return faults
}

func TestDecisionsAreShortAndWhole(t *testing.T) {
	const dir = "docs/decisions"
	index := read(t, dir+"/README.md")
	var faults []string
	next := 1
	for _, name := range files(t, ".md") {
		if path.Dir(name) != dir || path.Base(name) == "README.md" {
			continue
		}
		faults = append(faults, decisionFaults(name, read(t, name))...)
		if want := fmt.Sprintf("%04d-", next); !strings.HasPrefix(path.Base(name), want) {
			faults = append(faults, name+": the next number is "+want)
		}
		if !strings.Contains(index, "("+path.Base(name)+")") {
			faults = append(faults, name+": not in "+dir+"/README.md")
		}
		next++
	}
	require.Greater(t, next, 1, "no decisions found")
	none(t, faults)
}

func TestDecisionFaultsAreFound(t *testing.T) {
	const whole = "# 0001 A title\n\n## Context\n\n## Decision\n\n## Cost\n"
	require.Empty(t, decisionFaults("docs/decisions/0001-a-title.md", whole))
	require.Len(t, decisionFaults("docs/decisions/a.md", whole), 1)
	require.Len(t, decisionFaults("docs/decisions/0002-a-title.md", whole), 1)
	require.Len(t, decisionFaults("docs/decisions/0001-a-title.md", "# 0001 A title\n\n## Context\n\n## Decision\n"), 1)
	require.Len(t, decisionFaults("docs/decisions/0001-a-title.md", whole+strings.Repeat("word\n", 40)), 1)
}

var (
	drawnEdge  = regexp.MustCompile(`(?m)^ +(\w+) --> (\w+): `)
	listedEdge = regexp.MustCompile(`(?m)^\| ([A-Z]\w+) \| ([A-Z]\w+) \| `)
)

// The table is compared with the code where the code is; the picture beside it must not tell another story.
func TestPictureOfPhasesMatchesItsTable(t *testing.T) {
	_, text, found := strings.Cut(read(t, "docs/state-machine.md"), "```mermaid\n")
	require.True(t, found)
	picture, rest, _ := strings.Cut(text, "```")
	_, table, found := strings.Cut(rest, "| From | To | When |\n")
	require.True(t, found)
	drawn, listed := edges(drawnEdge, picture), edges(listedEdge, table)
	require.NotEmpty(t, drawn)
	require.ElementsMatch(t, listed, drawn)
}

func edges(re *regexp.Regexp, text string) []string {
	var out []string
	for _, m := range re.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1]+" to "+m[2])
	}
	return out
}
