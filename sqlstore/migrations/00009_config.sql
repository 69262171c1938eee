-- +goose Up
-- Versions of service configuration, as they were decided. sealed are the secrets, encrypted; their plain text is nowhere in this file.
CREATE TABLE config_versions (
    application TEXT NOT NULL,
    environment TEXT NOT NULL,
    number      BIGINT NOT NULL,
    created     BIGINT NOT NULL,
    sealed      TEXT NOT NULL,
    doc         TEXT NOT NULL,
    PRIMARY KEY (application, environment, number)
);

-- How large people have made clusters by hand, until their slipway.yaml says otherwise.
CREATE TABLE sizes (
    application TEXT NOT NULL,
    environment TEXT NOT NULL,
    doc         TEXT NOT NULL,
    PRIMARY KEY (application, environment)
);

-- +goose Down
DROP TABLE sizes;
DROP TABLE config_versions;
