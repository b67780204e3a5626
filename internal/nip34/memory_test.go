package nip34

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/internal/heaptest"
)

// What an announcement counts is about what it takes, whatever stood around its values.
func TestAnAnnouncementKeepsWhatItCounts(t *testing.T) {
	blanks := strings.Repeat(" ", 20_000)
	for name, tag := range map[string]nostr.Tag{
		"clone":       {"clone", blanks + "https://git.example.com/a.git" + blanks},
		"relays":      {"relays", blanks + "wss://relay.example.com" + blanks},
		"long clone":  {"clone", "https://git.example.com/" + strings.Repeat("x", 2*MaxCloneBytes)},
		"no key":      {"maintainers", blanks + "x"},
		"long name":   {"name", strings.Repeat("x", 1000)},
		"many relays": append(nostr.Tag{"relays"}, strings.Split(strings.Repeat("wss://r.example.com/xxxxxxxxxxxxxxxxxxxxxxx,", 5)+strings.Repeat(",", 500), ",")...),
	} {
		t.Run(name, func(t *testing.T) {
			weight := int64(0)
			took := heaptest.Bytes(func() any {
				kept := make([]*Announcement, 2000)
				for i := range kept {
					own := make(nostr.Tag, len(tag)) // the text of a parsed event is its own
					for k, v := range tag {
						own[k] = strings.Clone(v)
					}
					e, err := event.Wrap(nostr.Event{
						ID: fmt.Sprintf("%064x", i), PubKey: fmt.Sprintf("%064x", 1), Kind: event.KindAnnouncement, Tags: nostr.Tags{{"d", fmt.Sprint(i)}, own},
					})
					require.NoError(t, err)
					a, err := ParseAnnouncement(e)
					require.NoError(t, err)
					kept[i] = a.Slim()
					weight += kept[i].weight()
				}
				return kept
			})
			t.Logf("weight %d, took %d", weight, took)
			require.Less(t, took, weight*3/2)
		})
	}
}
