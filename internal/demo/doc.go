// Package demo is the world that `ngit-sync demo` runs in: remote relays under their real names on this machine's
// loopback, filled with real events (corpus) and with generated ones around them, somebody who keeps writing, and an oracle
// that says what the own relay should hold in the end.
//
//	corpus + generator ──► spread ──► Relay x 7 (websocket) ◄── the daemon, by Rewrite
//	                                    ▲     │
//	                        Traffic ────┘     └──► Expected ──► Check against the own relay
//
// It stands outside the daemon: nothing here is used to sync, and the oracle works by its own plain reading of the rules.
//
// Owner: whoever calls Start owns the World and closes it. A World's Source has one user at a time: the world
// while it is built, then Traffic.
//
// Invariants:
//   - The same seed and base time give the same events with the same ids on the same relays.
//   - No name is resolved and no address outside of loopback is dialled: Rewrite refuses what is not in the world.
//   - No relay holds everything, and what belongs to a repository lies on relays that its announcement names.
package demo
