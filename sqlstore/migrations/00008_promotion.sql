-- +goose Up
-- What people are asked. The version grows with every change, so that of two at once one sees that it was not alone.
CREATE TABLE approvals (
    id          TEXT PRIMARY KEY,
    application TEXT NOT NULL,
    environment TEXT NOT NULL,
    subject     TEXT NOT NULL,
    state       TEXT NOT NULL,
    asked       BIGINT NOT NULL,
    version     BIGINT NOT NULL,
    doc         TEXT NOT NULL
);
CREATE INDEX approvals_newest ON approvals (asked);
CREATE INDEX approvals_application ON approvals (application, environment, asked);
CREATE INDEX approvals_subject ON approvals (subject);
CREATE INDEX approvals_state ON approvals (state, asked);

CREATE TABLE promotions (
    id          TEXT PRIMARY KEY,
    application TEXT NOT NULL,
    environment TEXT NOT NULL,
    started     BIGINT NOT NULL,
    doc         TEXT NOT NULL
);
CREATE INDEX promotions_newest ON promotions (started);
CREATE INDEX promotions_application ON promotions (application, environment, started);

-- +goose Down
DROP TABLE promotions;
DROP TABLE approvals;
