-- +goose Up

-- What authors have deleted (NIP-09, NIP-62), for what is still to come. target is an event id, the SHA-256 of a coordinate's text, or 32
-- zero bytes: everything of the author. Coordinates and everything are covered up to this created_at, in seconds.
CREATE TABLE graves (
    target       bytea NOT NULL,
    author       bytea NOT NULL,
    covers_until bigint NOT NULL,
    deletion     bytea NOT NULL, -- id of the deletion
    PRIMARY KEY (target, author)
);

-- 1: its author has deleted it; it keeps its number and is not asked about.
ALTER TABLE root_events ADD COLUMN gone bigint NOT NULL DEFAULT 0;
