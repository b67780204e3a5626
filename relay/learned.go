package relay

import (
	"slices"
	"time"
)

// Learned is what refusals have taught of a relay, beyond its document. Each entry holds until its time; then the relay is
// tried again as if nothing had been said (DESIGN §5).
type Learned struct {
	Subscriptions Cap        `json:"subscriptions,omitzero"`
	FiltersPerREQ Cap        `json:"filters_per_req,omitzero"`
	MessageBytes  Cap        `json:"message_bytes,omitzero"`
	REQsPerMinute Cap        `json:"reqs_per_minute,omitzero"`
	StateKinds    time.Time  `json:"state_kinds,omitzero"` // filters without kinds are refused, until then
	NoLive        time.Time  `json:"no_live,omitzero"`     // live subscriptions are refused altogether
	NoWide        time.Time  `json:"no_wide,omitzero"`     // wide filters bring too much that is foreign
	Aside         []SetAside `json:"aside,omitempty"`      // values that the relay refuses

	NoAnnouncements time.Time `json:"no_announcements,omitzero"`   // next to all of its announcements are out of scope: not asked for in full before
	NoNegentropy    time.Time `json:"no_negentropy,omitzero"`      // it does not speak NIP-77, or lists less than it has
	Sampled         time.Time `json:"sampled,omitzero"`            // what it lists was compared with what it serves: not again before
	NoNegentropyWhy string    `json:"no_negentropy_why,omitempty"` // hostile text
}

// Cap is a limit that was learned; N is 0 when there is none.
type Cap struct {
	N     int       `json:"n"`
	Until time.Time `json:"until"`
}

// SetAside is a value that the relay does not take in a filter.
type SetAside struct {
	Tag    string    `json:"tag"`
	Value  string    `json:"value"`
	Reason string    `json:"reason"` // hostile text
	Until  time.Time `json:"until"`
}

// Apply gives l as far as what was learned allows.
func (k Learned) Apply(l Limits, now time.Time) Limits {
	shrink := func(v *int, c Cap) {
		if c.N > 0 && now.Before(c.Until) && (*v == 0 || c.N < *v) {
			*v = c.N
		}
	}
	shrink(&l.Subscriptions, k.Subscriptions)
	shrink(&l.FiltersPerREQ, k.FiltersPerREQ)
	shrink(&l.MessageBytes, k.MessageBytes)
	shrink(&l.REQsPerMinute, k.REQsPerMinute)
	l.StateKinds = l.StateKinds || now.Before(k.StateKinds)
	l.NoNegentropy = l.NoNegentropy || now.Before(k.NoNegentropy)
	return l
}

func (k *Learned) caps() []*Cap {
	return []*Cap{&k.Subscriptions, &k.FiltersPerREQ, &k.MessageBytes, &k.REQsPerMinute}
}

func (k *Learned) verdicts() []*time.Time {
	return []*time.Time{&k.StateKinds, &k.NoLive, &k.NoWide, &k.NoNegentropy, &k.NoAnnouncements, &k.Sampled}
}

// Expires is when the first entry expires, zero when there is none.
func (k *Learned) Expires() time.Time {
	var first time.Time
	add := func(at time.Time) {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	for _, c := range k.caps() {
		add(c.Until)
	}
	for _, until := range k.verdicts() {
		add(*until)
	}
	for _, a := range k.Aside {
		add(a.Until)
	}
	return first
}

// Forget drops what has expired, and gives the values that are no longer set aside.
func (k *Learned) Forget(now time.Time) (back []SetAside) {
	for _, c := range k.caps() {
		if !now.Before(c.Until) {
			*c = Cap{}
		}
	}
	for _, until := range k.verdicts() {
		if !now.Before(*until) {
			*until = time.Time{}
		}
	}
	if k.NoNegentropy.IsZero() {
		k.NoNegentropyWhy = ""
	}
	k.Aside = slices.DeleteFunc(k.Aside, func(a SetAside) bool {
		over := !now.Before(a.Until)
		if over {
			back = append(back, a)
		}
		return over
	})
	return back
}
