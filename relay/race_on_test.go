//go:build race

package relay

// hostileSeeds is fewer under the race detector, which costs such a relay twenty times as much.
const hostileSeeds = 12
