-- +goose Up
-- Who was given which role.
CREATE TABLE bindings (
    id          TEXT PRIMARY KEY,
    subject     TEXT NOT NULL,
    role        TEXT NOT NULL,
    application TEXT NOT NULL,
    environment TEXT NOT NULL,
    doc         TEXT NOT NULL
);
CREATE UNIQUE INDEX bindings_once ON bindings (subject, role, application, environment);

CREATE TABLE tokens (
    id   TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    used BIGINT NOT NULL,
    used_from TEXT NOT NULL,
    doc  TEXT NOT NULL
);

-- What tokens and browsers show, as hashes alone. A row is found by the first digits of its hash; all of it is compared in constant time. A
-- token that was rotated has two for a while.
CREATE TABLE token_hashes (
    hash    TEXT PRIMARY KEY,
    start   TEXT NOT NULL,
    token   TEXT NOT NULL,
    until   BIGINT NOT NULL
);
CREATE INDEX token_hashes_start ON token_hashes (start);
CREATE INDEX token_hashes_token ON token_hashes (token);

CREATE TABLE sessions (
    id      TEXT PRIMARY KEY,
    hash    TEXT NOT NULL,
    start   TEXT NOT NULL,
    seen    BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    doc     TEXT NOT NULL
);
CREATE INDEX sessions_start ON sessions (start);
CREATE INDEX sessions_expires ON sessions (expires);

CREATE TABLE trust_rules (
    name TEXT PRIMARY KEY,
    doc  TEXT NOT NULL
);

CREATE TABLE access_rules (
    name TEXT PRIMARY KEY,
    doc  TEXT NOT NULL
);

-- +goose Down
DROP TABLE access_rules;
DROP TABLE trust_rules;
DROP TABLE sessions;
DROP TABLE token_hashes;
DROP TABLE tokens;
DROP TABLE bindings;
