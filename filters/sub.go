package filters

import "github.com/nbd-wtf/go-nostr"

// Sub is one live REQ: a stable id of at most 32 ASCII characters and the filters that share it.
type Sub struct {
	ID      string
	Filters []nostr.Filter
}
