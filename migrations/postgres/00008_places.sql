-- +goose Up

-- Who is dialled when more relays are named than there are places: what a relay gave, ever, and since when it has its place (NULL: it has
-- none). What an older version knew, it dialled; what these relays gave first stands in the ledger.
ALTER TABLE relays ADD COLUMN gave bigint NOT NULL DEFAULT 0;
ALTER TABLE relays ADD COLUMN gave_at bigint;
ALTER TABLE relays ADD COLUMN place_at bigint;
UPDATE relays SET place_at = 0;
UPDATE relays SET gave = l.n, gave_at = l.newest
FROM (SELECT source, count(*) AS n, max(first_seen) AS newest FROM ledger WHERE disposition = 1 GROUP BY source) AS l
WHERE l.source = relays.relay;
