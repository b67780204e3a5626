-- +goose Up

-- The newest created_at of what is known to tag the root, in seconds; 0, as in rows from before: its own.
ALTER TABLE root_events ADD COLUMN active_at INTEGER NOT NULL DEFAULT 0;

-- Starts of the last whole rotations, over what was active in the last day and in the last month.
ALTER TABLE relays ADD COLUMN polled_hot INTEGER;
ALTER TABLE relays ADD COLUMN polled_warm INTEGER;
-- What refusals taught of the relay, JSON; empty: nothing.
ALTER TABLE relays ADD COLUMN learned BLOB NOT NULL DEFAULT x'';

-- 1: replies to replies, deletions and ancestors are confirmed.
ALTER TABLE repo_relays ADD COLUMN around INTEGER NOT NULL DEFAULT 0;

-- Ancestors: events that accepted events of the repo reference and that nobody here knows.
CREATE TABLE lacks (
    repo     INTEGER NOT NULL, -- coordinates.num
    id       BLOB NOT NULL,
    noted_at INTEGER,
    PRIMARY KEY (repo, id)
) WITHOUT ROWID;
