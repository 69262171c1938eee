-- +goose Up
CREATE TABLE channels (
    application TEXT NOT NULL,
    name        TEXT NOT NULL,
    image       TEXT NOT NULL,
    doc         TEXT NOT NULL,
    PRIMARY KEY (application, name)
);
CREATE INDEX channels_image ON channels (image);

-- Revocations outlive the records of images: one that is removed and baked again is revoked still.
CREATE TABLE revocations (
    digest TEXT PRIMARY KEY,
    doc    TEXT NOT NULL
);

-- What of a deployment or an execution decides whether an image may be removed.
ALTER TABLE deployments ADD COLUMN image TEXT NOT NULL DEFAULT '';
CREATE INDEX deployments_image ON deployments (image);

ALTER TABLE executions ADD COLUMN application TEXT NOT NULL DEFAULT '';
ALTER TABLE executions ADD COLUMN image TEXT NOT NULL DEFAULT '';
ALTER TABLE executions ADD COLUMN started BIGINT NOT NULL DEFAULT 0;
CREATE INDEX executions_newest ON executions (started);
CREATE INDEX executions_application ON executions (application, started);
CREATE INDEX executions_image ON executions (image);

-- +goose Down
DROP INDEX executions_image;
DROP INDEX executions_application;
DROP INDEX executions_newest;
ALTER TABLE executions DROP COLUMN started;
ALTER TABLE executions DROP COLUMN image;
ALTER TABLE executions DROP COLUMN application;
DROP INDEX deployments_image;
ALTER TABLE deployments DROP COLUMN image;
DROP TABLE revocations;
DROP TABLE channels;
