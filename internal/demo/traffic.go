package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/ngit-sync/ngit-sync/internal/event"
)

// Written is one event that somebody published while the demo runs.
type Written struct {
	Event *event.Event
	On    []*Relay // that took it; empty when all of them were down
	What  string   // for people: "comment on ngit"
}

const newRepoHosts = 3 // relays that a repository born during the demo is announced with

// Traffic writes one thing every interval until ctx ends: comments, issues, patches, statuses, and now and then a whole new
// repository. Each call of yield is one event; it is made from Traffic's goroutine. Only one Traffic may run at a time.
func (w *World) Traffic(ctx context.Context, every time.Duration, yield func(Written)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			for _, out := range w.write(now, n) {
				yield(out)
			}
			if w.source.err != nil {
				return w.source.err
			}
		}
	}
}

// write makes what happens at one tick.
func (w *World) write(now time.Time, n int) []Written {
	s := w.source
	if n%25 == 12 {
		return w.foundRepo(now, n)
	}
	r := pick(s, s.repos)
	for len(r.hosts) == 0 {
		r = pick(s, s.repos)
	}
	if len(r.threads) == 0 || s.chance(20) {
		_, root := s.newThread(r, s.person(), now)
		return []Written{w.publish(r, root, rootName(root.Kind)+" in ")}
	}
	t := r.threads[s.rand.IntN(len(r.threads))]
	switch p := s.rand.IntN(100); {
	case p < 70:
		return []Written{w.publish(r, s.comment(t, s.person(), now), "comment on ")}
	case p < 90:
		by := s.authorOf(t.root)
		if len(r.staff) > 0 {
			by = pick(s, r.staff)
		}
		return []Written{w.publish(r, s.status(t, by, now), "status in ")}
	default:
		return []Written{w.publish(r, s.reaction(t, s.person(), now), "reaction in ")}
	}
}

// foundRepo announces a repository that nobody knew, with its state, and opens its first issue.
func (w *World) foundRepo(now time.Time, n int) []Written {
	s := w.source
	founder := s.identity(newKeys + n)
	d := fmt.Sprintf("new-repo-%d", n)
	hosts := make([]*Relay, 0, newRepoHosts)
	for _, i := range s.rand.Perm(len(w.relays))[:newRepoHosts] {
		hosts = append(hosts, w.relays[i])
	}
	r := &repo{refs: []event.Ref{event.RepoRef(founder.pub, d)}, hosts: hosts, hint: hosts[0].Name, staff: []identity{founder}}
	s.repos = append(s.repos, r)
	_, root := s.newThread(r, s.person(), now)
	return []Written{
		w.publish(r, s.announce(founder, d, now, true, hosts), "announcement of "),
		w.publish(r, s.state(founder, d, now), "state of "),
		w.publish(r, root, rootName(root.Kind)+" in "),
	}
}

func (w *World) publish(r *repo, e *event.Event, what string) Written {
	out := Written{Event: e, What: what + r.refs[0].D}
	for _, host := range w.source.spread(r) {
		if host.Publish(e) == nil {
			out.On = append(out.On, host)
		}
	}
	return out
}

func rootName(kind int) string {
	switch kind {
	case event.KindPatch:
		return "patch"
	case event.KindPullRequest:
		return "pull request"
	default:
		return "issue"
	}
}
