package server

import (
	"encoding/json"
	"slices"
)

type document struct {
	Name        string     `json:"name"`
	Description string     `json:"description"`
	Contact     string     `json:"contact,omitempty"`
	NIPs        []int      `json:"supported_nips"`
	Software    string     `json:"software"`
	Version     string     `json:"version"`
	Limitation  limitation `json:"limitation"`
}

type limitation struct {
	MessageBytes  int  `json:"max_message_length"`
	Subscriptions int  `json:"max_subscriptions"`
	MaxLimit      int  `json:"max_limit"`
	DefaultLimit  int  `json:"default_limit"`
	SubIDBytes    int  `json:"max_subid_length"`
	EventTags     int  `json:"max_event_tags"`
	AuthRequired  bool `json:"auth_required"`
	Payment       bool `json:"payment_required"`
	Restricted    bool `json:"restricted_writes"`
}

// document is the NIP-11 answer. It states only what is kept.
func (i Info) document(l Limits) []byte {
	nips := append([]int{1, 11, 42, 70}, i.NIPs...)
	if l.Reconciliations > 0 {
		nips = append(nips, 77)
	}
	slices.Sort(nips)
	doc, err := json.Marshal(document{
		Name: i.Name, Description: i.Description, Contact: i.Contact, Software: i.Software, Version: i.Version,
		NIPs: slices.Compact(nips),
		Limitation: limitation{
			MessageBytes: l.MessageBytes, Subscriptions: l.Subscriptions, MaxLimit: l.PageLimit, DefaultLimit: l.DefaultLimit,
			SubIDBytes: l.SubIDBytes, EventTags: l.Event.Tags, Restricted: i.Restricted,
		},
	})
	if err != nil {
		return []byte("{}") // strings and numbers always marshal
	}
	return doc
}
