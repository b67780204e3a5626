package main

import (
	"errors"

	"github.com/ngit-sync/ngit-sync/internal/config"
)

// Exit codes (DESIGN §10).
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2 // or configuration
	exitUnreachable = 3 // the daemon does not answer
	exitDiffers     = 4 // differences, or degraded
)

// exitError is an error with an exit code other than exitFailed. With a nil err nothing is printed: the output says it all.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// withCode gives an error its exit code.
func withCode(code int, err error) error { return &exitError{code: code, err: err} }

// usageError is for what a different command line would mend, such as a malformed argument.
func usageError(err error) error { return withCode(exitUsage, err) }

func exitCode(err error) int {
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	if _, ok := errors.AsType[config.Errors](err); ok {
		return exitUsage
	}
	return exitFailed
}
