-- +goose Up
-- Who stands in a pipeline's line, the lowest place first. An execution stands in one line at most.
CREATE TABLE pipeline_turns (
    execution   TEXT PRIMARY KEY,
    application TEXT NOT NULL,
    pipeline    TEXT NOT NULL,
    place       BIGINT NOT NULL,
    since       BIGINT NOT NULL,
    UNIQUE (application, pipeline, place)
);

-- The output of stages' commands, apart from the executions: those are read often and whole.
CREATE TABLE stage_logs (
    execution TEXT NOT NULL,
    stage     TEXT NOT NULL,
    log       TEXT NOT NULL,
    PRIMARY KEY (execution, stage)
);

-- +goose Down
DROP TABLE stage_logs;
DROP TABLE pipeline_turns;
