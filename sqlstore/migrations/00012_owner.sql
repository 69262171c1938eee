-- +goose Up
-- Whose records these are, if the database is not a file of the data directory itself.
CREATE TABLE owner (
    id        BIGINT PRIMARY KEY,
    directory TEXT NOT NULL,
    place     TEXT NOT NULL
);

-- +goose Down
DROP TABLE owner;
