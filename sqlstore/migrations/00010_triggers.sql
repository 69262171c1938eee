-- +goose Up
-- How far events were read, by whom, and the last tick of each schedule.
CREATE TABLE cursors (
    name  TEXT PRIMARY KEY,
    place BIGINT NOT NULL
);

CREATE TABLE triggers (
    id          TEXT PRIMARY KEY,
    application TEXT NOT NULL,
    name        TEXT NOT NULL,
    doc         TEXT NOT NULL,
    UNIQUE (application, name)
);

-- due is 0 once nothing is to be done any more.
CREATE TABLE firings (
    id          TEXT PRIMARY KEY,
    trigger_id  TEXT NOT NULL,
    at          BIGINT NOT NULL,
    due         BIGINT NOT NULL,
    doc         TEXT NOT NULL
);
CREATE INDEX firings_newest ON firings (trigger_id, at);
CREATE INDEX firings_due ON firings (due);

-- By what a firing is known if it comes again. It is kept for longer than the firing.
CREATE TABLE firing_keys (
    trigger_id TEXT NOT NULL,
    seen       TEXT NOT NULL,
    firing     TEXT NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (trigger_id, seen)
);
CREATE INDEX firing_keys_oldest ON firing_keys (at);

CREATE TABLE artifacts (
    id          TEXT PRIMARY KEY,
    application TEXT NOT NULL,
    pushed      BIGINT NOT NULL,
    doc         TEXT NOT NULL
);
CREATE INDEX artifacts_newest ON artifacts (application, pushed);

CREATE TABLE subscriptions (
    id   TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    doc  TEXT NOT NULL
);

CREATE TABLE deliveries (
    id           TEXT PRIMARY KEY,
    subscription TEXT NOT NULL,
    state        TEXT NOT NULL,
    created      BIGINT NOT NULL,
    due          BIGINT NOT NULL,
    doc          TEXT NOT NULL
);
CREATE INDEX deliveries_newest ON deliveries (subscription, created);
CREATE INDEX deliveries_state ON deliveries (state, created);
CREATE INDEX deliveries_due ON deliveries (due);

-- +goose Down
DROP TABLE deliveries;
DROP TABLE subscriptions;
DROP TABLE artifacts;
DROP TABLE firing_keys;
DROP TABLE firings;
DROP TABLE triggers;
DROP TABLE cursors;
