-- +goose Up

-- 1: the ledger has what the own relay holds of the repo.
ALTER TABLE repos ADD COLUMN surveyed INTEGER NOT NULL DEFAULT 0;
