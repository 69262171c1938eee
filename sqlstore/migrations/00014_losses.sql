-- +goose Up
-- What server groups have lost: whether one has stood its time in an environment is read from here, whatever became of the events that told of it.
CREATE TABLE losses (
    name        TEXT PRIMARY KEY,
    application TEXT NOT NULL,
    environment TEXT NOT NULL,
    doc         TEXT NOT NULL
);
CREATE INDEX losses_application ON losses (application, environment);

-- +goose Down
DROP TABLE losses;
