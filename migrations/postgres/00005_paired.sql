-- +goose Up

-- 1: the operator has paired the relay by hand.
ALTER TABLE relays ADD COLUMN paired bigint NOT NULL DEFAULT 0;
