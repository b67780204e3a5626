package demo

import (
	"fmt"
	"strings"
)

// What people write about, so that the demo's pages and terminal show something that reads like work.
var (
	verbs   = []string{"Fix", "Add", "Remove", "Document", "Speed up", "Refactor", "Handle", "Test", "Support", "Show", "Cache", "Retry"}
	objects = []string{
		"relay timeouts", "the state event", "clone over onion", "empty repositories", "maintainer lists", "large patches", "push of tags",
		"non-fast-forward updates", "the login flow", "NIP-46 signers", "windows paths", "the config file", "unicode identifiers",
		"the progress bar", "shallow fetches", "reconnects", "duplicate events", "the changelog", "CI on arm64", "proposal branches",
	}
	endings = []string{
		"when the relay closes early", "for the first push", "in the web view", "on a slow connection", "if two maintainers push at once",
		"after an upgrade", "without a signer", "behind a proxy", "with more than one remote", "in quiet mode",
	}
	bodies = []string{
		"Steps: clone, commit, push. It works with one relay and fails with three.",
		"I saw this twice today. The log is attached below; the second line looks wrong to me.",
		"This came up in the last call. Happy to write the patch if somebody points me at the right file.",
		"Expected the branch to be listed. It is there on one relay and missing on the others.",
		"Not urgent, but it confuses newcomers.",
	}
	replies = []string{
		"I can reproduce this.", "Thanks, this fixes it for me.", "Could you rebase on master?", "Works here on linux and macOS.",
		"Which version is that?", "Good catch.", "I would rather keep the old behaviour and add a flag.", "Nit: the name could be shorter.",
		"Tested, merging.", "Duplicate of the one about reconnects?", "Let's discuss in the call.", "Done in the last revision.",
	}
)

func (s *Source) title() string {
	t := pick(s, verbs) + " " + pick(s, objects)
	if s.chance(50) {
		t += " " + pick(s, endings)
	}
	return t
}

// patchText looks like `git format-patch`; its length is spread as observed: median 6 kB, a tenth above 27 kB.
func (s *Source) patchText(title, commit string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "From %s Mon Sep 17 00:00:00 2001\nSubject: [PATCH] %s\n\n%s\n---\n", commit, title, pick(s, bodies))
	lines := 20 + s.rand.IntN(200)
	if s.chance(10) {
		lines += 500
	}
	fmt.Fprintf(&b, " src/main.rs | %d ++++\n 1 file changed, %d insertions(+)\n\ndiff --git a/src/main.rs b/src/main.rs\n@@ -1,3 +1,%d @@\n", lines, lines, lines)
	for i := range lines {
		fmt.Fprintf(&b, "+    // line %d: %s\n", i+1, pick(s, objects))
	}
	return b.String()
}

// commit is 40 hex digits.
func (s *Source) commit() string {
	return fmt.Sprintf("%016x%016x%08x", s.rand.Uint64(), s.rand.Uint64(), s.rand.Uint32())
}
