package selfsub

import (
	"github.com/ngit-sync/ngit-sync/internal/event"
	"github.com/ngit-sync/ngit-sync/relay"
)

// Reserve grants at once, because facts are small and the loop is prompt; a survey waits for the database now and then.
func (s *Subscriber) Reserve(_ relay.ConnID, _ int, grant chan<- struct{}) {
	if s.unwritten.Load() < mostUnwritten {
		grant <- struct{}{}
		return
	}
	s.unwritten.Store(0)
	s.inbox <- message{grant: grant}
}

// Release has nothing to give back.
func (s *Subscriber) Release(relay.ConnID, int) {}

// Room is there at once: what the own relay gives is read as it comes.
func (s *Subscriber) Room(_ relay.ConnID, room chan<- struct{}) { room <- struct{}{} }

// Deliver hands one event to Run.
func (s *Subscriber) Deliver(d relay.Delivery) { s.inbox <- message{delivery: &d} }

// Mark hands the end of a page or batch to Run, behind its events.
func (s *Subscriber) Mark(m relay.Mark) { s.inbox <- message{mark: &m} }

// Await gives everything back: nothing is known here.
func (s *Subscriber) Await(_ relay.ConnID, _ relay.BatchID, ids []event.ID, lack chan<- []event.ID) {
	lack <- ids
}

// Gone needs no answer: Down follows.
func (s *Subscriber) Gone(relay.ConnID) {}

var _ relay.Sink = (*Subscriber)(nil)
