package main

import (
	"context"
	"fmt"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/health"
	"github.com/ngit-sync/ngit-sync/internal/relayurl"
	"github.com/ngit-sync/ngit-sync/relay/relaytest"
)

// Our uplink is broken for 26 hours: no relay is called dead for it, and all are connected and well again within minutes.
func TestOurUplinkIsBroken(t *testing.T) {
	for name, dial := range map[string]func(context.Context) error{
		"no route":       unreachable,
		"no answer":      unanswered,
		"no name server": unresolved,
	} {
		if raced && name != "no route" {
			continue // the cause is all that differs
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const relays = 4
				w := newWorld(t)
				alice := newAuthor(1)
				var written []nostr.Event
				var remotes []*relaytest.Relay
				var urls []string
				for i := range relays {
					host := fmt.Sprintf("r%d.example.com", i)
					urls = append(urls, "ws://"+host)
					events := thread(alice, fmt.Sprint("tool", i), time.Now().Add(-240*time.Hour), 2, urls[i])
					remotes = append(remotes, w.remote(host, relaytest.Options{Events: events}))
					w.cfg.Sync.Bootstrap = append(w.cfg.Sync.Bootstrap, relayurl.URL(urls[i]))
					written = append(written, events...)
				}
				w.start()
				defer sleep(kernelPatience) // dials that nobody waits for any more
				defer w.close(remotes...)
				w.connected(urls...)
				sleep(10 * time.Minute)

				w.lines.unplug(dial)
				sleep(13 * time.Hour)
				for i, r := range remotes {
					e := alice.issue(fmt.Sprint("tool", i), time.Now(), "meanwhile")
					r.Publish(e)
					written = append(written, e)
				}
				sleep(13 * time.Hour)
				for _, u := range urls {
					require.NotEqualValues(t, health.Dead, w.gauge("relay_status", u), "%s is not dead meanwhile", u)
				}
				w.lines.unplug(nil)
				mended := time.Now()
				w.arrive(10*time.Minute, written...)
				sleep(10 * time.Second)
				for _, u := range urls {
					require.EqualValues(t, health.Healthy, w.gauge("relay_status", u), u)
				}
				w.connected(urls...)
				for i := range relays {
					require.LessOrEqual(t, len(w.lines.dialled(fmt.Sprintf("r%d.example.com", i), mended)), 2, "dials of %s", urls[i])
				}
			})
		})
	}
}

// unplug breaks our uplink, or mends it with nil: dials end with what the function gives, open lines go dead.
func (l *lines) unplug(dial func(ctx context.Context) error) {
	l.mu.Lock()
	l.uplink = dial
	l.mu.Unlock()
	if dial != nil {
		l.swallow("")
	}
}

// unreachable is what a dial without a route ends with.
func unreachable(context.Context) error { return syscall.ENETUNREACH }

// kernelPatience is how long a kernel tries to reach a host.
const kernelPatience = 127 * time.Second

// unanswered is what a dial ends with when its packets vanish: the caller's kernelPatience or the kernel's.
func unanswered(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(kernelPatience):
		return syscall.ETIMEDOUT
	}
}

// unresolved is what a dial ends with when no name server answers.
func unresolved(context.Context) error {
	return &net.DNSError{Err: "server misbehaving", Name: "x", IsTemporary: true}
}
