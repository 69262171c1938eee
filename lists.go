package slipway

import (
	"context"
	"time"
)

// Mark is a place in a list that is ordered by time, the newest first, and by ID among equals. A list that is read from a mark goes on with
// what comes after it, whatever was added at its head meanwhile. The zero Mark is before the first.
type Mark struct {
	Time time.Time
	ID   string
}

// IsZero reports whether m is before the first.
func (m Mark) IsZero() bool { return m.ID == "" }

// Lists reads records page by page: up to limit of those that come after a mark, newest first, without bound for a limit below 1. Zero fields
// of a filter select all. Methods are safe for concurrent use.
type Lists interface {
	ListBakes(ctx context.Context, filter BakeFilter, after Mark, limit int) ([]Bake, error)
	ListDeployments(ctx context.Context, filter DeploymentFilter, after Mark, limit int) ([]Deployment, error)
	ListExecutions(ctx context.Context, filter ExecutionFilter, after Mark, limit int) ([]Execution, error)
	ListImages(ctx context.Context, filter ImageFilter, after Mark, limit int) ([]Image, error) // an image's ID is its digest
	ListReleases(ctx context.Context, filter ReleaseFilter, after Mark, limit int) ([]Release, error)
}

// BakeFilter selects bakes.
type BakeFilter struct {
	Application string
	States      []BakeState // any of them
}

// DeploymentFilter selects deployments.
type DeploymentFilter struct {
	Cluster   Cluster
	States    []DeploymentState // any of them
	Kind      DeploymentKind
	Image     Digest
	Execution string
	By        string
}

// ExecutionFilter selects executions.
type ExecutionFilter struct {
	Application string
	States      []ExecutionState // any of them
	Image       Digest
}

// ImageFilter selects images.
type ImageFilter struct {
	Application string
	States      []ImageState // any of them
	Revoked     bool         // only those that are
}

// ReleaseFilter selects releases.
type ReleaseFilter struct {
	Environment string
	States      []ReleaseState // any of them
}
