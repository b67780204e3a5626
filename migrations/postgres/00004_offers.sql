-- +goose Up

-- Refused events are offered again (DESIGN §6): how often that was done, and from when on the next time may be, NULL when
-- there is none. From then on the id does not count as known.
ALTER TABLE ledger ADD COLUMN offers bigint NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN offer_at bigint;
CREATE INDEX ledger_offer ON ledger (offer_at) WHERE offer_at IS NOT NULL;
UPDATE ledger SET offer_at = updated + 86400000 WHERE disposition = 5;
UPDATE ledger SET offer_at = updated + 30 * 86400000::bigint WHERE disposition = 6;

-- Held events have a pending row from now on. Those from before, which have none, are fetched again.
DELETE FROM ledger_tags WHERE ledger IN (SELECT num FROM ledger WHERE disposition = 2);
DELETE FROM ledger WHERE disposition = 2;
