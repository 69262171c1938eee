-- +goose Up
-- What keeps deployments from beginning. Empty columns of the cluster stand for all.
CREATE TABLE restrictions (
    id          TEXT PRIMARY KEY,
    kind        TEXT NOT NULL,
    application TEXT NOT NULL,
    environment TEXT NOT NULL,
    image       TEXT NOT NULL,
    since       BIGINT NOT NULL,
    doc         TEXT NOT NULL
);
CREATE INDEX restrictions_same ON restrictions (kind, application, environment, image);
CREATE INDEX restrictions_oldest ON restrictions (since);

CREATE TABLE releases (
    id          TEXT PRIMARY KEY,
    environment TEXT NOT NULL,
    started     BIGINT NOT NULL,
    doc         TEXT NOT NULL
);
CREATE INDEX releases_newest ON releases (started);
CREATE INDEX releases_environment ON releases (environment, started);

-- Samples are many and small, so they are columns and no documents. Latencies are nanoseconds.
CREATE TABLE samples (
    deployment   TEXT NOT NULL,
    time         BIGINT NOT NULL,
    server_group TEXT NOT NULL,
    requests     BIGINT NOT NULL,
    errors       BIGINT NOT NULL,
    latency      BIGINT NOT NULL,
    PRIMARY KEY (deployment, time, server_group)
);
CREATE INDEX samples_oldest ON samples (time);

-- +goose Down
DROP TABLE samples;
DROP TABLE releases;
DROP TABLE restrictions;
