-- +goose Up

-- Who did what. Rows are added and never changed or removed. line is the entry exactly as its hash was made of it.
CREATE TABLE audit (
    seq         BIGINT NOT NULL PRIMARY KEY,
    time        BIGINT NOT NULL,
    key         TEXT NOT NULL DEFAULT '', -- of a decision: its action and what it is about
    principal   TEXT NOT NULL,
    action      TEXT NOT NULL,
    application TEXT NOT NULL,
    environment TEXT NOT NULL,
    object      TEXT NOT NULL,
    failed      BIGINT NOT NULL,
    line        TEXT NOT NULL
);
CREATE INDEX audit_by_time ON audit (time);
CREATE INDEX audit_by_principal ON audit (principal, seq);
CREATE INDEX audit_by_application ON audit (application, environment, seq);
CREATE INDEX audit_by_object ON audit (object, seq);
CREATE INDEX audit_by_failed ON audit (failed, seq);
CREATE UNIQUE INDEX audit_by_key ON audit (key) WHERE key <> '';

-- Where the chain ends. Whoever adds to it changes this row first, so that they come one after the other.
CREATE TABLE audit_head (
    id   BIGINT NOT NULL PRIMARY KEY,
    seq  BIGINT NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, '');

-- +goose Down
DROP TABLE audit_head;
DROP TABLE audit;
