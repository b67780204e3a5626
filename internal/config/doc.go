// Package config reads the configuration: one YAML file, environment variables and flags, flag over
// environment over file over default (DESIGN §10).
//
// Config and its struct tags are the one place where a key is declared: name, type, default, bounds and
// the sentence that documents it. The file walker, the environment, the flags, the effective form of check-config
// and the test of docs/reference/configuration.md all read those tags, so a new key is one line.
//
//	key      name in the file; the path of names makes the environment variable
//	default  text of the default, in the form that the file takes; lists are comma-separated
//	doc      one sentence for people
//	form     rules beyond the Go type (forms in form.go); elements of a list each obey it
//	min      smallest number, size or duration; a list has none
//	oneof    the allowed words, comma-separated
//	flag     name of the command-line flag, where there is one
//	reload   on a section: SIGHUP can change its keys
//
// Owner: nobody; a Config is a value and immutable once loaded.
//
// Invariants: every error of this package is an Errors value, names where the value stands and what is
// allowed there, and never shows a secret.
package config
