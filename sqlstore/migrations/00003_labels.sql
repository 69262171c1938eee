-- +goose Up
-- Every version label that an image was ever given: the same content may be baked under several.
CREATE TABLE labels (
    application TEXT NOT NULL,
    version     TEXT NOT NULL,
    digest      TEXT NOT NULL,
    given       BIGINT NOT NULL,
    PRIMARY KEY (application, version, digest)
);
CREATE INDEX labels_newest ON labels (application, version, given);
CREATE INDEX labels_digest ON labels (digest);
INSERT INTO labels (application, version, digest, given) SELECT application, version, digest, created FROM images WHERE version <> '';

-- +goose Down
DROP TABLE labels;
