-- +goose Up

-- What holds for the whole database, by name. scope: digest of the rules that irrelevant and rejected rows were judged by.
CREATE TABLE facts (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
);
