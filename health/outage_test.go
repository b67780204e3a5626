package health

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tried is one dial, or many at the same second.
type tried struct {
	at    int // seconds since t0
	hosts []string
	cause Cause
	open  int  // afterwards
	ours  bool // wanted afterwards
}

func hosts(prefix string, n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("%s%d.example", prefix, i))
	}
	return out
}

// every is the same dial again and again.
func every(step, from, to int, d tried) []tried {
	var out []tried
	for at := from; at <= to; at += step {
		d.at = at
		out = append(out, d)
	}
	return out
}

func script(parts ...[]tried) []tried {
	var out []tried
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func TestOutage(t *testing.T) {
	one, two, five, many := hosts("a", 1), hosts("a", 2), hosts("a", 5), hosts("a", 50)
	stale := hosts("stale", 450)
	up := func(h []string) []tried { return []tried{{0, h, CauseNone, len(h), false}} }
	tests := []struct {
		name  string
		dials []tried
	}{
		{"a single host is never an outage", every(20, 0, 600, tried{hosts: one, cause: CauseTimeout})},
		{"two hosts, nothing open, for ten seconds", []tried{
			{0, two, CauseTimeout, 0, false}, {9, two, CauseTimeout, 0, false}, {10, one, CauseTimeout, 0, true},
		}},
		{"causes need not be alike while nothing is open", []tried{
			{0, one, CauseDNS, 0, false}, {0, two, CauseRefused, 0, false}, {10, two, CauseTimeout, 0, true},
		}},
		{"ten seconds count from the second host's fault", []tried{
			{0, one, CauseTimeout, 0, false}, {20, two, CauseTimeout, 0, false}, {29, two, CauseTimeout, 0, false},
			{30, two, CauseTimeout, 0, true},
		}},
		{"faults more than a minute apart have nothing to do with each other", []tried{
			{0, []string{"b"}, CauseTimeout, 0, false}, {61, one, CauseTimeout, 0, false}, {80, one, CauseTimeout, 0, false},
		}},
		{"who fails for over an hour is no second host", script(
			every(50, 0, 3600, tried{hosts: []string{"b"}, cause: CauseTimeout, open: 1}),
			[]tried{{3610, one, CauseTimeout, 0, false}, {3650, []string{"b"}, CauseTimeout, 0, false}, {3655, one, CauseTimeout, 0, false}},
		)},
		{"something open: two dead hosts are theirs", []tried{
			{0, two, CauseTimeout, 1, false}, {30, two, CauseTimeout, 1, false},
		}},
		{"faults before a success say nothing", []tried{
			{0, five, CauseTimeout, 0, false}, {5, []string{"b"}, CauseNone, 1, false}, {15, one, CauseTimeout, 0, false},
			{25, one, CauseTimeout, 0, false},
		}},
		{"rate limits, statuses and our own rules are no evidence", script(
			every(10, 0, 100, tried{hosts: many, cause: CauseRateLimit}), every(10, 100, 200, tried{hosts: many, cause: CauseHTTP}),
			every(10, 200, 300, tried{hosts: many, cause: CausePolicy}), every(10, 300, 400, tried{hosts: many, cause: CauseCrowded}),
			every(10, 400, 500, tried{hosts: many, cause: CauseLocal}),
		)},
		{"nor do they end an outage", []tried{
			{0, two, CauseTimeout, 0, false}, {10, two, CauseTimeout, 0, true}, {11, []string{"b"}, CauseHTTP, 0, true},
			{12, []string{"b"}, CauseRateLimit, 0, true}, {13, []string{"b"}, CauseNone, 1, false},
		}},
		{"a start with 450 dead names and 50 relays that answer", script(
			[]tried{{0, stale[:16], CauseDNS, 0, false}, {1, many, CauseNone, 50, false}},
			every(7, 2, 3600, tried{hosts: stale, cause: CauseDNS, open: 50}),
		)},
		{"our resolver is dead, what is open lives on", []tried{
			{0, many, CauseNone, 50, false}, {1000, five, CauseDNS, 45, false}, {1010, five, CauseDNS, 45, true},
		}},
		{"our clock is wrong", []tried{
			{0, many, CauseNone, 50, false}, {1000, five, CauseTLS, 45, false}, {1010, five, CauseTLS, 45, true},
		}},
		{"four are too few", []tried{
			{0, many, CauseNone, 50, false}, {1000, five[:4], CauseDNS, 45, false}, {1030, five[:4], CauseDNS, 45, false},
		}},
		{"a house of relays went down, the others are open", []tried{
			{0, many, CauseNone, 50, false}, {1000, five, CauseTimeout, 45, false}, {1030, five, CauseTimeout, 45, false},
		}},
		{"most went silent at once, few half-open connections are left", []tried{
			{0, many, CauseNone, 50, false}, {1000, many[:44], CauseTimeout, 6, false}, {1010, many[:44], CauseTimeout, 6, true},
		}},
		{"80 % is not over 80 %", []tried{
			{0, many, CauseNone, 10, false}, {1000, many[:8], CauseDNS, 2, false}, {1001, many[8:10], CauseNone, 2, false},
			{1020, many[:8], CauseDNS, 2, false},
		}},
		{"81 % is", []tried{
			{0, many, CauseNone, 10, false}, {1000, many[:9], CauseDNS, 2, false}, {1001, many[9:11], CauseNone, 2, false},
			{1020, many[:9], CauseDNS, 2, true},
		}},
		{"two causes that share the dials are no outage of ours", []tried{
			{0, many, CauseNone, 50, false}, {1000, many[:6], CauseDNS, 38, false}, {1000, many[6:12], CauseTLS, 38, false},
			{1020, many[:6], CauseDNS, 38, false},
		}},
		{"with connections open it is believed for an hour", script(
			up(many), []tried{{1000, five, CauseDNS, 45, false}}, every(10, 1010, 4590, tried{hosts: five, cause: CauseDNS, open: 45, ours: true}),
			every(10, 4600, 6000, tried{hosts: five, cause: CauseDNS, open: 45}),
		)},
		{"without any it lasts", script(
			[]tried{{0, two, CauseTimeout, 0, false}}, every(60, 60, 2*86400, tried{hosts: two, cause: CauseTimeout, ours: true}),
		)},
		{"it ends when nobody is dialled any more", []tried{
			{0, two, CauseTimeout, 0, false}, {10, two, CauseTimeout, 0, true}, {310, nil, CauseNone, 0, true}, {311, nil, CauseNone, 0, false},
		}},
		{"it does not flap", script([]tried{
			{0, two, CauseTimeout, 0, false}, {10, two, CauseTimeout, 0, true}, {20, one, CauseNone, 1, false},
		}, every(1, 21, 79, tried{hosts: two, cause: CauseTimeout}), []tried{{80, two, CauseTimeout, 0, true}})},
		{"a long outage leaves the hosts as witnesses of the next", script(
			[]tried{{0, two, CauseTimeout, 0, false}}, every(60, 60, 7200, tried{hosts: two, cause: CauseTimeout, ours: true}),
			[]tried{{7210, []string{"b"}, CauseNone, 1, false}, {7300, two, CauseTimeout, 0, false}, {7310, two, CauseTimeout, 0, true}},
		)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var o Outage
			for _, d := range tt.dials {
				now := t0.Add(time.Duration(d.at) * time.Second)
				for _, h := range d.hosts {
					o.Dialled(now, h, d.cause)
				}
				require.Equal(t, d.ours, o.Ours(now, d.open), "after %d s", d.at)
				require.Equal(t, d.ours, !o.Since().IsZero())
			}
		})
	}
}

func TestAnOutageBeganWithItsFirstFaults(t *testing.T) {
	var o Outage
	for s := range 13 {
		o.Dialled(t0.Add(time.Duration(s)*time.Second), "a", CauseTimeout)
		o.Dialled(t0.Add(time.Duration(s+1)*time.Second), "b", CauseTimeout)
	}
	require.True(t, o.Ours(t0.Add(13*time.Second), 0))
	require.Equal(t, t0.Add(time.Second), o.Since())
}

func TestOutageRemembersABoundedNumberOfHosts(t *testing.T) {
	var o Outage
	for i, h := range hosts("h", maxHosts+100) {
		o.Dialled(t0.Add(time.Duration(i)*time.Second), h, CauseDNS)
	}
	require.Len(t, o.hosts, maxHosts)
	require.NotContains(t, o.hosts, "h99.example")
	require.Contains(t, o.hosts, "h100.example")
}

func TestEveryCauseHasItsWord(t *testing.T) {
	require.Equal(t, "crowded", CauseCrowded.String())
	require.Len(t, causes, int(CauseCrowded)+1)
	require.Equal(t, "unknown", Cause(200).String(), "a stored value of a later version")
}
