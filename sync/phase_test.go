package sync

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The table in docs/state-machine.md and the one in phase.go are the same.
func TestStateMachineIsDocumented(t *testing.T) {
	data, err := os.ReadFile("../docs/state-machine.md")
	require.NoError(t, err)
	documented, inTable := map[string]bool{}, false
	for line := range strings.Lines(string(data)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) < 5 {
			inTable = false
			continue
		}
		from, to := strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2])
		if inTable && !strings.HasPrefix(from, "-") {
			documented[from+" to "+to] = true
		}
		inTable = inTable || from == "From"
	}
	legal := map[string]bool{}
	for e := range edges {
		legal[e.from.String()+" to "+e.to.String()] = true
	}
	require.Equal(t, legal, documented)
}

func TestAnIllegalChangeIsAPanic(t *testing.T) {
	s := newScript(t)
	s.picture(anns(announce("alice", "tool", t0, nil, one)))
	r := s.e.relays[one]
	for from := Disconnected; from <= Removed; from++ {
		for to := Disconnected; to <= Removed; to++ {
			r.phase = from
			if _, legal := edges[edge{from, to}]; !legal {
				require.Panics(t, func() { s.e.to(r, to, "test", t0) }, "%s to %s", from, to)
			}
		}
	}
}
