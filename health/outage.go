package health

import (
	"slices"
	"time"
)

// Numbers of the outage rules. They are not configured: none of them is worth an operator's thought.
const (
	outageWindow = time.Minute      // dials older than this say nothing of now
	outageSettle = 10 * time.Second // so long the evidence must last; a start's first dials are no outage
	outageFresh  = time.Hour        // who fails for longer fails on its own account
	outageIdle   = 5 * time.Minute  // without any fault: nobody is dialled, nothing is known
	fewestSilent = 2                // hosts that fail while nothing is open
	fewestAlike  = 5                // hosts that fail alike while something is open
	maxHosts     = 4096
)

// Outage judges whether it is our uplink, resolver or clock that fails, and not the relays (DESIGN §8). The zero value is
// ready. Hosts are counted, not dials and not relays: ten relays at one address are one thing that can break.
//
// It is an outage when for ten seconds
//
//   - nothing is open, and since the last success at least two hosts failed within a minute. One host is no outage: with one
//     relay nobody can tell. Two are enough, because a mistake is cheap (a dial a minute while there is nothing else to do)
//     and many have only two relays.
//   - or over 80 % of the last minute's dials failed with one cause. Only hosts take part that were reached before and fail for
//     less than an hour, at least five of them: an announcement that names 450 dead relays is no word about us. An open
//     connection counts as a dial that went well, save for DNS and TLS, which it has behind it.
//
// It ends with the first success. While connections are open it also ends after an hour: what still fails then is dead on its
// own account. After its end a minute passes before the next may begin.
//
// Causes that are no network's fault (see Cause.network) are not looked at.
type Outage struct {
	hosts     map[string]dialled
	since     time.Time
	ended     time.Time // the last one
	succeeded time.Time // the last dial that went well
	failed    time.Time // the last fault of a network
}

// dialled is what is remembered of a host.
type dialled struct {
	at      time.Time // last dial
	failing time.Time // since the first of the faults in a row, zero after a success
	cause   Cause
	reached bool // at least once
}

// Dialled records how a dial ended; CauseNone is a success, and the end of an outage. Only dials count, not connections
// that are lost.
func (o *Outage) Dialled(now time.Time, host string, c Cause) {
	if c != CauseNone && !c.network() {
		return
	}
	if o.hosts == nil {
		o.hosts = map[string]dialled{}
	}
	h, known := o.hosts[host]
	if !known && len(o.hosts) >= maxHosts {
		o.dropOldest()
	}
	h.at, h.cause = now, c
	if c == CauseNone {
		h.failing, h.reached = time.Time{}, true
		o.succeeded = now
	} else {
		o.failed = now
		if h.failing.IsZero() {
			h.failing = now
		}
	}
	o.hosts[host] = h
	if c == CauseNone && !o.since.IsZero() {
		o.end(now)
		o.acquit()
	}
}

// Ours reports whether what fails now is our own fault; open is the number of remote relays that are connected. Ask after each
// Dialled. When the answer has become false, Policy.Forgive is due for every relay, with what Since said before Dialled.
func (o *Outage) Ours(now time.Time, open int) bool {
	if !o.since.IsZero() {
		if now.Sub(o.failed) > outageIdle || (open > 0 && now.Sub(o.since) >= outageFresh) {
			o.end(now)
		}
		return !o.since.IsZero()
	}
	if !o.ended.IsZero() && now.Sub(o.ended) < outageWindow {
		return false
	}
	began := o.alike(now, open)
	if open == 0 && began.IsZero() {
		began = o.silent(now)
	}
	if began.IsZero() || now.Sub(began) < outageSettle {
		return false
	}
	o.since = began
	return true
}

// Since is the start of the outage, zero when there is none.
func (o *Outage) Since() time.Time { return o.since }

// silent is the moment since which enough hosts fail while none is reached, zero when there is none.
func (o *Outage) silent(now time.Time) time.Time {
	var failing []time.Time
	for _, h := range o.hosts {
		if h.at.After(o.succeeded) && o.evidence(h, now) {
			failing = append(failing, later(h.failing, o.succeeded))
		}
	}
	return nth(failing, fewestSilent)
}

// alike is the moment since which enough hosts fail with the cause of the many, zero when there is none.
func (o *Outage) alike(now time.Time, open int) time.Time {
	well, all := 0, 0
	byCause := map[Cause][]time.Time{}
	for _, h := range o.hosts {
		switch {
		case !h.reached:
		case h.failing.IsZero() && now.Sub(h.at) <= outageWindow && !h.at.Before(o.ended):
			well++
		case o.evidence(h, now):
			all++
			byCause[h.cause] = append(byCause[h.cause], later(h.failing, o.ended))
		}
	}
	for c, failing := range byCause {
		fine := well
		if c != CauseDNS && c != CauseTLS {
			fine = max(well, open)
		}
		if len(failing)*100 > (all+fine)*80 {
			return nth(failing, fewestAlike)
		}
	}
	return time.Time{}
}

// evidence reports whether a host failed within the last minute, and not for long.
func (o *Outage) evidence(h dialled, now time.Time) bool {
	return !h.failing.IsZero() && now.Sub(h.failing) < outageFresh &&
		now.Sub(h.at) <= outageWindow && !h.at.Before(o.ended)
}

func (o *Outage) end(now time.Time) { o.since, o.ended = time.Time{}, now }

// acquit forgets who failed: nobody's faults are older than our own.
func (o *Outage) acquit() {
	for name, h := range o.hosts {
		h.failing = time.Time{}
		if h.cause != CauseNone {
			h.at = time.Time{} // nor did it go well
		}
		o.hosts[name] = h
	}
}

func (o *Outage) dropOldest() {
	first, oldest, at := true, "", time.Time{}
	for name, h := range o.hosts {
		if first || h.at.Before(at) {
			first, oldest, at = false, name, h.at
		}
	}
	delete(o.hosts, oldest)
}

// nth is the n-th earliest of some moments, zero when there are fewer.
func nth(moments []time.Time, n int) time.Time {
	if len(moments) < n {
		return time.Time{}
	}
	slices.SortFunc(moments, time.Time.Compare)
	return moments[n-1]
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
