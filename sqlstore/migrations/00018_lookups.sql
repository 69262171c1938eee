-- +goose Up
-- The deployments of a cluster that are not over, which are few, and the last that is: one look into an index for each, without sorting.
-- The states are those of openStates.
CREATE INDEX deployments_open ON deployments (environment, application) WHERE state IN ('queued', 'running', 'held', 'undoing');
CREATE INDEX deployments_over ON deployments (environment, application, started, id) WHERE state NOT IN ('queued', 'running', 'held', 'undoing');

-- +goose Down
DROP INDEX deployments_over;
DROP INDEX deployments_open;
