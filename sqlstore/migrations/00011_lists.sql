-- +goose Up
-- What lists are narrowed by. Rows that have no state yet are filled from their documents when the store is opened.
ALTER TABLE bakes ADD COLUMN state TEXT NOT NULL DEFAULT '';
ALTER TABLE executions ADD COLUMN state TEXT NOT NULL DEFAULT '';
ALTER TABLE releases ADD COLUMN state TEXT NOT NULL DEFAULT '';
ALTER TABLE deployments ADD COLUMN state TEXT NOT NULL DEFAULT '';
ALTER TABLE deployments ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE deployments ADD COLUMN execution TEXT NOT NULL DEFAULT '';
ALTER TABLE deployments ADD COLUMN asked_by TEXT NOT NULL DEFAULT '';
ALTER TABLE deployments ADD COLUMN target TEXT NOT NULL DEFAULT '';

-- What an environment's state has of a deployment and of an image: a few of the document's fields, read by the hundred.
ALTER TABLE deployments ADD COLUMN brief TEXT NOT NULL DEFAULT '';
ALTER TABLE images ADD COLUMN brief TEXT NOT NULL DEFAULT '';

-- What each application's newest slipway.yaml says of its environments.
CREATE TABLE environments (
    application TEXT NOT NULL,
    environment TEXT NOT NULL,
    doc         TEXT NOT NULL,
    PRIMARY KEY (application, environment)
);
CREATE INDEX environments_environment ON environments (environment, application);

CREATE INDEX bakes_state ON bakes (state, started);
CREATE INDEX executions_state ON executions (state, started);
CREATE INDEX releases_state ON releases (state, started);
CREATE INDEX deployments_state ON deployments (state, started);
CREATE INDEX deployments_execution ON deployments (execution, started);
CREATE INDEX deployments_target ON deployments (target, started);
CREATE INDEX deployments_environment ON deployments (environment, application, started);
CREATE INDEX images_newest_of_all ON images (created);

-- Requests that were sent with a key of their own: under way while status is 0, else with their answer. Forgotten after until.
CREATE TABLE request_keys (
    principal   TEXT NOT NULL,
    request_key TEXT NOT NULL,
    digest      TEXT NOT NULL,
    holder      TEXT NOT NULL,
    until       BIGINT NOT NULL,
    status      BIGINT NOT NULL,
    answer      TEXT NOT NULL,
    PRIMARY KEY (principal, request_key)
);
CREATE INDEX request_keys_until ON request_keys (until);

-- +goose Down
DROP TABLE request_keys;
DROP INDEX images_newest_of_all;
DROP INDEX deployments_environment;
DROP INDEX deployments_target;
DROP INDEX deployments_execution;
DROP INDEX deployments_state;
DROP INDEX releases_state;
DROP INDEX executions_state;
DROP INDEX bakes_state;
DROP TABLE environments;
ALTER TABLE images DROP COLUMN brief;
ALTER TABLE deployments DROP COLUMN brief;
ALTER TABLE deployments DROP COLUMN target;
ALTER TABLE deployments DROP COLUMN asked_by;
ALTER TABLE deployments DROP COLUMN execution;
ALTER TABLE deployments DROP COLUMN kind;
ALTER TABLE deployments DROP COLUMN state;
ALTER TABLE releases DROP COLUMN state;
ALTER TABLE executions DROP COLUMN state;
ALTER TABLE bakes DROP COLUMN state;
