package main

import (
	"slices"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ngit-sync/ngit-sync/internal/badline"
)

// ending is what ends a fault that lasts.
type ending struct {
	at time.Time
	do func()
}

// suffer lets a plan happen, and gives how often each fault did. In the end there are no more faults.
func (w *chaosWorld) suffer() map[fault]int {
	w.t.Helper()
	counts := map[fault]int{}
	var endings []ending // by time
	until := func(at time.Time) {
		for len(endings) > 0 && !endings[0].at.After(at) {
			<-time.After(time.Until(endings[0].at))
			endings[0].do()
			endings = endings[1:]
		}
		<-time.After(time.Until(at))
	}
	at := time.Now()
	for _, s := range w.plan.steps {
		at = at.Add(s.after)
		until(at)
		w.lives()
		for _, c := range s.writes {
			w.write(c)
		}
		if end, ok := w.begin(s); ok {
			counts[s.fault]++
			w.t.Logf("%s  %s", time.Now().Format("15:04:05.000"), s)
			if end != nil {
				endings = append(endings, ending{at.Add(s.lasts), end})
				slices.SortStableFunc(endings, func(a, b ending) int { return a.at.Compare(b.at) })
			}
		}
	}
	if len(endings) > 0 {
		until(endings[len(endings)-1].at)
	}
	w.arrive()
	w.lives()
	return counts
}

// begin has a fault begin, and gives what ends it. False: there was nothing that it could befall.
func (w *chaosWorld) begin(s chaosStep) (end func(), ok bool) {
	w.t.Helper()
	line := w.lines[s.line]
	switch s.fault {
	case cut:
		return nil, line.Cut() > 0
	case reset:
		return nil, line.Reset() > 0
	case torn:
		return nil, line.Tear() > 0
	case garbled:
		return nil, line.Garble() > 0
	case swallow:
		return nil, line.Swallow() > 0
	case stalled:
		return w.under(s.line, badline.Weather{Hold: true}), true
	case delayed:
		return w.under(s.line, badline.Weather{Delay: s.delay}), true
	case narrow:
		return w.under(s.line, badline.Weather{Rate: s.rate}), true
	case doubled:
		return w.under(s.line, badline.Weather{Twice: true}), true
	case mute:
		line.Cut() // what is open would not notice
		return w.under(s.line, badline.Weather{Mute: true}), true
	case refusing:
		line.Cut()
		return w.under(s.line, badline.Weather{Refuse: true}), true
	default:
		return w.hit(s)
	}
}

// hit has a fault befall a process that nothing else befalls just now.
func (w *chaosWorld) hit(s chaosStep) (end func(), ok bool) {
	w.t.Helper()
	victim := s.fault.victim()
	if w.busy[victim] || s.fault.endsDaemon() && !w.there() {
		return nil, false
	}
	switch s.fault {
	case daemonKilled, daemonStopped:
		w.end(s.fault)
		end = w.launch
	case ownKilled:
		end = w.kill(w.own)
	case remoteKilled:
		end = w.kill(w.killed)
	case ownFrozen:
		require.NoError(w.t, w.own.signal(syscall.SIGSTOP))
		end = func() { require.NoError(w.t, w.own.signal(syscall.SIGCONT)) }
	case backendKilled:
		hit, err := w.cluster.killBackend(w.t.Context())
		require.NoError(w.t, err)
		return nil, hit
	case serverKilled:
		require.NoError(w.t, w.cluster.kill())
		end = func() { require.NoError(w.t, w.cluster.start(w.t.Context())) }
	case databaseAway:
		end = takeAway(w.t, w.sqlite)
	default:
		w.t.Fatalf("no such fault: %s", s.fault)
	}
	w.busy[victim] = true
	over := end
	return func() {
		w.t.Helper()
		over()
		w.busy[victim] = false
	}, true
}

// victim is the process that a fault befalls.
func (f fault) victim() string {
	switch f {
	case daemonKilled, daemonStopped:
		return "daemon"
	case ownKilled, ownFrozen:
		return "own relay"
	case remoteKilled:
		return "remote relay"
	default:
		return "database"
	}
}

// end ends the daemon. Its kernel ends its connections, whatever the lines are like: a database would keep its lock for the dead.
func (w *chaosWorld) end(how fault) {
	w.t.Helper()
	if how == daemonKilled {
		require.Error(w.t, w.daemon.end(syscall.SIGKILL))
	} else {
		require.NoError(w.t, w.daemon.end(syscall.SIGTERM), "exit code 0")
	}
	require.NotContains(w.t, w.daemon.log.String(), "panic")
	if l := w.lines[lineDatabase]; l != nil {
		l.Cut()
	}
}

func (w *chaosWorld) kill(p *peer) (end func()) {
	w.t.Helper()
	require.NoError(w.t, p.kill())
	return func() {
		w.t.Helper()
		require.NoError(w.t, p.start())
	}
}

// under adds to the weather of a line, and gives what takes it away again.
func (w *chaosWorld) under(line int, weather badline.Weather) (end func()) {
	w.t.Helper()
	all := w.weather[line]
	set := func() {
		w.t.Helper()
		var sum badline.Weather
		for x := range all {
			sum.Delay = max(sum.Delay, x.Delay)
			if sum.Rate == 0 || x.Rate > 0 && x.Rate < sum.Rate {
				sum.Rate = x.Rate
			}
			sum.Hold, sum.Twice = sum.Hold || x.Hold, sum.Twice || x.Twice
			sum.Mute, sum.Refuse = sum.Mute || x.Mute, sum.Refuse || x.Refuse
		}
		require.NoError(w.t, w.lines[line].Set(sum))
	}
	all[&weather] = true
	set()
	return func() {
		w.t.Helper()
		delete(all, &weather)
		set()
	}
}
