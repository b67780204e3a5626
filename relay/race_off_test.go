//go:build !race

package relay

// hostileSeeds is how many mixtures of faults are tried.
const hostileSeeds = 100
