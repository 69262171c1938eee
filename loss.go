package slipway

import (
	"context"
	"time"
)

// Loss is how many machines a server group has lost and replaced by now, and when it was found out that it had lost the last.
type Loss struct {
	Group    string    `json:"group"`
	Cluster  Cluster   `json:"cluster"`
	Replaced int       `json:"replaced"` // as ServerGroup.Replaced
	At       time.Time `json:"at,omitzero"`
}

// LossStore keeps what server groups have lost, beyond the groups' own lives. Methods are safe for concurrent use; what they have written is
// durable when they return.
type LossStore interface {
	// PutLoss inserts what a group has lost or replaces what is known of it.
	PutLoss(ctx context.Context, l Loss) error
	// Losses returns what is known of a cluster's groups, by name; zero fields select all.
	Losses(ctx context.Context, cluster Cluster) ([]Loss, error)
}
