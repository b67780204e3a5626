-- +goose Up

-- Relay URLs that other tables name by number. Rows stay when a relay is forgotten: the ledger still names it.
CREATE TABLE urls (
    num INTEGER PRIMARY KEY,
    url BLOB NOT NULL UNIQUE
);

-- Coordinates of repos, likewise. digest is the SHA-256 of the coordinate's text: d may be longer than an index entry of
-- Postgres can be.
CREATE TABLE coordinates (
    num    INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    kind   INTEGER NOT NULL,
    pubkey BLOB NOT NULL,
    d      BLOB NOT NULL
);

-- Accepted announcements, by coordinate.
CREATE TABLE repos (
    repo         INTEGER PRIMARY KEY, -- coordinates.num
    served       INTEGER NOT NULL,    -- 1: by the own relay; 0: accepted, not served yet
    coordinates  BLOB NOT NULL,       -- of the maintainers, in the order learned
    announcement BLOB                 -- event, JSON
);

-- Root events of a repo, numbered from 0 in the order learned; coverage counts by this number.
CREATE TABLE root_events (
    repo       INTEGER NOT NULL,
    n          INTEGER NOT NULL,
    id         BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (repo, n)
) WITHOUT ROWID;

CREATE TABLE relays (
    relay           INTEGER PRIMARY KEY, -- urls.num
    announcements   INTEGER NOT NULL,    -- 1: layer 1 is confirmed
    cursor_at       INTEGER,
    disconnected_at INTEGER,
    last_full       INTEGER,
    pass_since      INTEGER,
    health          BLOB NOT NULL        -- JSON
);

-- Coverage: what is confirmed of one repo at one relay.
CREATE TABLE repo_relays (
    relay  INTEGER NOT NULL,
    repo   INTEGER NOT NULL,
    states INTEGER NOT NULL,
    coords BLOB NOT NULL,
    roots  BLOB NOT NULL,
    PRIMARY KEY (relay, repo)
) WITHOUT ROWID;
CREATE INDEX repo_relays_repo ON repo_relays (repo);

-- Unfinished batches; spec is the engine's own encoding.
CREATE TABLE batches (
    relay  INTEGER NOT NULL,
    number INTEGER NOT NULL,
    spec   BLOB NOT NULL,
    PRIMARY KEY (relay, number)
) WITHOUT ROWID;

-- Every event id that we know, and what became of it. The daemon assigns num.
CREATE TABLE ledger (
    num         INTEGER PRIMARY KEY,
    id          BLOB NOT NULL UNIQUE,
    created_at  INTEGER NOT NULL,
    kind        INTEGER NOT NULL,
    pubkey      BLOB NOT NULL,
    disposition INTEGER NOT NULL,
    reason      BLOB NOT NULL,
    source      INTEGER,           -- urls.num
    first_seen  INTEGER NOT NULL,
    updated     INTEGER NOT NULL,
    tags        BLOB NOT NULL      -- its keys in ledger_tags, 8 bytes each, so that they can be found again
);
-- For the two questions that are asked without a tag: announcements, and deletions by author. Partial, because an index
-- over all rows costs a third of the write rate.
CREATE INDEX ledger_kind ON ledger (kind, pubkey) WHERE kind IN (5, 62, 30617, 30618);

-- Tag values of ledger rows. tag is the first 8 bytes of SHA-256 over name, a zero byte and value: small keys, and a
-- collision only makes a row match a filter that it does not match.
CREATE TABLE ledger_tags (
    tag    INTEGER NOT NULL,
    ledger INTEGER NOT NULL, -- ledger.num
    PRIMARY KEY (tag, ledger)
) WITHOUT ROWID;

-- Events that wait. The event stands last, so that reading the rest does not read it.
CREATE TABLE pending (
    ledger INTEGER PRIMARY KEY, -- ledger.num
    cause  INTEGER NOT NULL,
    tries  INTEGER NOT NULL,
    due    INTEGER,
    since  INTEGER,
    source INTEGER,             -- urls.num
    size   INTEGER NOT NULL,
    reason BLOB NOT NULL,
    needs  BLOB NOT NULL,
    event  BLOB NOT NULL        -- JSON
);
