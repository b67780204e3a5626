-- +goose Up

-- The newest created_at of what is known to tag the root, in seconds; 0, as in rows from before: its own.
ALTER TABLE root_events ADD COLUMN active_at bigint NOT NULL DEFAULT 0;

-- Starts of the last whole rotations, over what was active in the last day and in the last month.
ALTER TABLE relays ADD COLUMN polled_hot bigint;
ALTER TABLE relays ADD COLUMN polled_warm bigint;
-- What refusals taught of the relay, JSON; empty: nothing.
ALTER TABLE relays ADD COLUMN learned bytea NOT NULL DEFAULT '';

-- 1: replies to replies, deletions and ancestors are confirmed.
ALTER TABLE repo_relays ADD COLUMN around bigint NOT NULL DEFAULT 0;

-- Ancestors: events that accepted events of the repo reference and that nobody here knows.
CREATE TABLE lacks (
    repo     bigint NOT NULL, -- coordinates.num
    id       bytea NOT NULL,
    noted_at bigint,
    PRIMARY KEY (repo, id)
);
