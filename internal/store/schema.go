package store

import (
	"context"
	"errors"
	"fmt"
)

// migrate brings the schema forwards. The daemon's lock must be held. The error is a *SchemaError when the database is
// newer than this program.
func migrate(ctx context.Context, b backend) (from, to int64, err error) {
	p, err := b.migrator()
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	have, know, err := p.GetVersions(ctx)
	if err != nil {
		return 0, 0, err
	}
	if have > know {
		return have, have, &SchemaError{have, know}
	}
	if _, err := p.Up(ctx); err != nil {
		return have, have, fmt.Errorf("migrate: %w", err)
	}
	return have, know, nil
}

// checkSchema reports a database that has not exactly the schema of this program.
func checkSchema(ctx context.Context, b backend) (err error) {
	p, err := b.migrator()
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	have, know, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if have != know {
		return &SchemaError{have, know}
	}
	return nil
}
