// Command ngit-sync keeps a git-nostr relay complete. It is the only package that knows all others: flags,
// configuration, wiring and subcommands (DESIGN §10).
//
// Each subcommand has a file of its name with one constructor, newXCommand, and is added in root.go. A
// command reads its settings by loadConfig, so that flags, environment and file mean the same everywhere, and returns errors instead of
// printing them: run in main.go prints them once and turns them into the exit code.
package main
