package store

import "github.com/ngit-sync/ngit-sync/relay"

// loss is the range of sequence numbers among which rows were dropped. Between the first and the last all count as lost: a
// confirm names only the last row that it rests on.
type loss struct {
	first, last relay.Seq
	all         bool // a row of the engine was among them: nothing is confirmed any more
}

func (l *loss) add(seq relay.Seq) {
	if l.first == 0 || seq < l.first {
		l.first = seq
	}
	l.last = max(l.last, seq)
}

// recover forgets what was lost up to a number.
func (l *loss) recover(upTo relay.Seq) {
	switch {
	case l.last <= upTo:
		*l = loss{}
	case l.first <= upTo:
		l.first = upTo + 1
	}
}

// hits reports whether what rests on a row may rest on a lost one.
func (l loss) hits(rests relay.Seq) bool { return l.all || l.first != 0 && rests >= l.first }

func (l loss) none() bool { return l.first == 0 }
