package embedded

// schemaVersion stands in user_version. There is one so far.
const schemaVersion = 1

// schema: `tag` holds the single-letter tags that filters ask for (NIP-01). Its rows are ordered as answers are, and carry
// what most filters need, so that the events themselves are touched only to be sent. Values are text, or a blob for
// what is longer than its hash (tagValue).
const schema = `
CREATE TABLE event (
	id         BLOB    PRIMARY KEY,
	pubkey     BLOB    NOT NULL,
	kind       INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	d                  , -- of what is replaceable, else NULL
	raw        BLOB    NOT NULL
);
CREATE UNIQUE INDEX event_address ON event (kind, pubkey, d) WHERE d IS NOT NULL;
CREATE INDEX event_time        ON event (created_at DESC, id);
CREATE INDEX event_kind        ON event (kind, created_at DESC, id);
CREATE INDEX event_author      ON event (pubkey, created_at DESC, id, kind);
CREATE INDEX event_author_kind ON event (pubkey, kind, created_at DESC, id);
CREATE TABLE tag (
	name       TEXT    NOT NULL,
	value              NOT NULL,
	created_at INTEGER NOT NULL,
	id         BLOB    NOT NULL,
	kind       INTEGER NOT NULL,
	PRIMARY KEY (name, value, created_at DESC, id)
) WITHOUT ROWID;
`
