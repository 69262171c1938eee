-- +goose Up
-- A record is read as a whole, so it is one JSON document beside the columns it is found by. Times are nanoseconds since 1970, UTC.
CREATE TABLE applications (
    name TEXT PRIMARY KEY,
    doc  TEXT NOT NULL
);

CREATE TABLE images (
    digest      TEXT PRIMARY KEY,
    application TEXT NOT NULL,
    version     TEXT NOT NULL,
    state       TEXT NOT NULL,
    created     BIGINT NOT NULL,
    doc         TEXT NOT NULL
);
CREATE INDEX images_newest ON images (application, created);
CREATE INDEX images_version ON images (application, version, created);

CREATE TABLE bakes (
    id          TEXT PRIMARY KEY,
    application TEXT NOT NULL,
    started     BIGINT NOT NULL,
    doc         TEXT NOT NULL
);
CREATE INDEX bakes_newest ON bakes (started);
CREATE INDEX bakes_application ON bakes (application, started);

-- The highest server group number a cluster ever had. It outlives the groups: numbers are never used twice.
CREATE TABLE clusters (
    application TEXT NOT NULL,
    environment TEXT NOT NULL,
    last_group  BIGINT NOT NULL,
    PRIMARY KEY (application, environment)
);

CREATE TABLE deployments (
    id          TEXT PRIMARY KEY,
    application TEXT NOT NULL,
    environment TEXT NOT NULL,
    started     BIGINT NOT NULL,
    doc         TEXT NOT NULL
);
CREATE INDEX deployments_newest ON deployments (started);
CREATE INDEX deployments_cluster ON deployments (application, environment, started);

CREATE TABLE executions (
    id  TEXT PRIMARY KEY,
    doc TEXT NOT NULL
);

CREATE TABLE routes (
    application TEXT NOT NULL,
    environment TEXT NOT NULL,
    doc         TEXT NOT NULL,
    PRIMARY KEY (application, environment)
);

-- The last seq given to an event. Its row is locked from there until the event is committed, so events become visible in
-- the order of seq, without gaps, on every database.
CREATE TABLE event_seq (
    id  BIGINT PRIMARY KEY,
    seq BIGINT NOT NULL
);
INSERT INTO event_seq (id, seq) VALUES (1, 0);

CREATE TABLE events (
    seq         BIGINT PRIMARY KEY,
    application TEXT NOT NULL,
    environment TEXT NOT NULL,
    execution   TEXT NOT NULL,
    bake        TEXT NOT NULL,
    deployment  TEXT NOT NULL,
    doc         TEXT NOT NULL
);
CREATE INDEX events_cluster ON events (application, environment, seq);
CREATE INDEX events_execution ON events (execution, seq);
CREATE INDEX events_bake ON events (bake, seq);
CREATE INDEX events_deployment ON events (deployment, seq);

-- +goose Down
DROP TABLE events;
DROP TABLE event_seq;
DROP TABLE routes;
DROP TABLE executions;
DROP TABLE deployments;
DROP TABLE clusters;
DROP TABLE bakes;
DROP TABLE images;
DROP TABLE applications;
