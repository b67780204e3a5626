package relay

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/schnorr"
	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// oddly is an event that its author has signed, in JSON of his own: canonical is what he took the hash of.
func oddly(t *testing.T, createdAt int64, kind int, tags, content, canonical string) string {
	t.Helper()
	secret := sha256.Sum256([]byte("a stranger"))
	key, pub := btcec.PrivKeyFromBytes(secret[:])
	pubkey := hex.EncodeToString(schnorr.SerializePubKey(pub))
	id := sha256.Sum256(fmt.Appendf(nil, `[0,"%s",%d,%d,%s,"%s"]`, pubkey, createdAt, kind, tags, canonical))
	sig, err := schnorr.Sign(key, id[:])
	require.NoError(t, err)
	return fmt.Sprintf(`{"id":"%x","pubkey":"%s","created_at":%d,"kind":%d,"tags":%s,"content":"%s","sig":"%x"}`,
		id, pubkey, createdAt, kind, tags, content, sig.Serialize())
}

// odd are events that some relay takes and gives on, and that are none to us.
func odd(t *testing.T) map[string]string {
	now := time.Now().Unix()
	capitals := oddly(t, now, 1, `[]`, "y", "y")
	sig := capitals[strings.Index(capitals, `"sig":"`)+7:][:128]
	return map[string]string{
		"an empty tag":            oddly(t, now, 1, `[[]]`, "x", "x"),
		"a kind of 17 bits":       oddly(t, now, 70000, `[]`, "x", "x"),
		"the year 10000":          oddly(t, 253402300800, 1, `[]`, "x", "x"),
		"a time before 1970":      oddly(t, -5, 1, `[]`, "x", "x"),
		"bytes without sense":     oddly(t, now, 1, `[]`, "\xff", "\xff"),
		"the same, mended":        oddly(t, now, 1, `[["a","\ufffd"]]`, "x", "x"),
		"half a character":        oddly(t, now, 1, `[]`, `\ud800`, `\ud800`),
		"as strfry hashes it":     oddly(t, now, 1, `[]`, "\x7f", `\u007f`),
		"a number with a point":   strings.Replace(oddly(t, now, 1, `[]`, "x", "x"), `"kind":1`, `"kind":1.0`, 1),
		"one field twice":         strings.Replace(oddly(t, now, 1, `[]`, "x", "x"), `"kind":1`, `"kind":2,"kind":1`, 1),
		"a signature in capitals": strings.Replace(capitals, sig, strings.ToUpper(sig), 1),
	}
}

// A stranger publishes to an honest relay what it takes, and we do not: that is his fault, and not the relay's, which would be dropped
// for it.
func TestAStrangerCannotHaveAnHonestRelayCharged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, relaytest.Options{}, nil)
		g.tell(liveOf("l0", kinds(1, 70000)))
		send := func(raw string) int {
			g.relay.Broadcast(`["EVENT","l0",` + raw + `]`)
			time.Sleep(2 * offenceEvery)
			synctest.Wait()
			return len(reported[Offended](g))
		}
		for name, raw := range odd(t) {
			require.Zero(t, send(raw), name)
		}
		require.Empty(t, g.sink.ids(0))
		now := time.Now().Unix()
		for i, raw := range []string{
			strings.Replace(oddly(t, now, 1, `[]`, "signed", "signed"), "signed", "made of it", 1),
			strings.Replace(oddly(t, now, 1, `[[]]`, "signed", "signed"), "signed", "made of it", 1),
			strings.Replace(oddly(t, now, 1, `[[]]`, "x", "x"), `"sig":"`, `"sig":"00`, 1),
			strings.Replace(oddly(t, now, 1, `[[]]`, "x", "x"), `"pubkey":"`, `"pubkey":"00`, 1),
			`{"id":"` + strings.Repeat("0", 64) + `","kind":"x"}`,
			`{}`,
		} {
			require.Equal(t, i+1, send(raw), "nobody has signed %s", raw)
		}
	})
}

// khatru takes and gives on most of it.
func TestWhatKhatruTakesIsNotChargedToIt(t *testing.T) {
	taken := 0
	for name, raw := range odd(t) {
		t.Run(name, func(t *testing.T) {
			url := newKhatru(t, nil)
			sink, commands, reports := connected(t, ConnOptions{URL: url})
			commands <- liveOf("l0", kinds(1, 70000))
			require.Eventually(t, func() bool { return len(sink.marksOf(0)) > 0 }, time.Minute, time.Millisecond, "it is subscribed")
			publisher, f := NewDialer(DialerOptions{}).Dial(t.Context(), url, Operator)
			require.Nil(t, f)
			defer publisher.Close()
			for _, e := range []string{raw, oddly(t, time.Now().Unix(), 1, `[]`, "the last", "the last")} {
				require.NoError(t, publisher.Send([]byte(`["EVENT",`+e+`]`)))
				if ok := <-publisher.Frames(); ok.OK && e == raw {
					taken++
				}
			}
			require.Eventually(t, func() bool { return len(sink.ids(0)) > 0 }, time.Minute, time.Millisecond)
			for len(reports) > 0 {
				_, offended := (<-reports).(Offended)
				require.False(t, offended)
			}
		})
	}
	require.GreaterOrEqual(t, taken, 6)
}

// A stranger fills the head of a history with what we cannot take. What is below it is found all the same.
func TestOddEventsDoNotHideThoseBelowThem(t *testing.T) {
	for name, spoil := range map[string]func(*nostr.Event){
		"dates beyond 9999": func(e *nostr.Event) { e.CreatedAt += 253402300800 },
		"kinds of 17 bits":  func(e *nostr.Event) { e.Kind, e.CreatedAt = 70000, e.CreatedAt+1_000_000 },
	} {
		t.Run(name, func(t *testing.T) {
			tag := nostr.Tag{"a", "ours"}
			var events []nostr.Event
			for i := range 250 { // khatru gives 100 at a time here
				odd, good := relaytest.Event(1, 1, int64(1000+i), fmt.Sprint("odd", i), tag), relaytest.Event(1, 1, int64(1000+i), fmt.Sprint("good", i), tag)
				spoil(&odd)
				relaytest.Sign(&odd, 1)
				events = append(events, odd, good)
			}
			sink, commands, _ := connected(t, ConnOptions{URL: newKhatru(t, events)})
			commands <- AskBatch{Batch{ID: 1, Filters: []nostr.Filter{tagged("a", "ours")}}}
			<-sink.over(1)
			require.Empty(t, sink.final(1).Err)
			require.Len(t, sink.ids(1), 250)
		})
	}
}
