package slipway

import (
	"cmp"
	"time"
)

// RestrictionKind says what a restriction keeps from happening.
type RestrictionKind string

// The kinds.
const (
	RestrictionFreeze RestrictionKind = "freeze" // no deployment; rolling back is allowed
	RestrictionPin    RestrictionKind = "pin"    // no deployment of another image, nor a rollback to one
	RestrictionVeto   RestrictionKind = "veto"   // no deployment of the image: it was rolled back
)

// Restriction keeps deployments from beginning. Zero fields of the cluster stand for all: a freeze may be of everything, of an
// application, of an environment of all applications, or of one cluster; a pin and a veto are of one cluster.
type Restriction struct {
	ID         string          `json:"id"` // "f-…", "p-…" or "v-…"
	Kind       RestrictionKind `json:"kind"`
	Cluster    Cluster         `json:"cluster"`
	Image      Digest          `json:"image,omitempty"` // of a pin or veto
	Reason     string          `json:"reason"`
	By         string          `json:"by,omitempty"`
	Deployment string          `json:"deployment,omitempty"` // that made it by itself
	Since      time.Time       `json:"since"`
	Until      time.Time       `json:"until,omitzero"` // zero: until it is lifted
}

// Holds reports whether the restriction is in force at the time.
func (r Restriction) Holds(at time.Time) bool { return r.Until.IsZero() || at.Before(r.Until) }

// Covers reports whether the restriction is of the cluster.
func (r Restriction) Covers(c Cluster) bool {
	return (r.Cluster.Application == "" || r.Cluster.Application == c.Application) &&
		(r.Cluster.Environment == "" || r.Cluster.Environment == c.Environment)
}

// Scope says of what the restriction is: "everything", "hello in every environment", "every application in prod", "hello in prod".
func (r Restriction) Scope() string {
	if r.Cluster == (Cluster{}) {
		return "everything"
	}
	return cmp.Or(r.Cluster.Application, "every application") + " in " + cmp.Or(r.Cluster.Environment, "every environment")
}

// String says what the restriction is, since when and until when, by whom and why: "hello in prod is pinned to 6b86b273ff34 since
// 2026-03-04 05:06 UTC by ann: the sale".
func (r Restriction) String() string {
	const form = "2006-01-02 15:04 MST"
	text := r.Scope() + " is frozen"
	switch r.Kind {
	case RestrictionPin:
		text = r.Scope() + " is pinned to " + r.Image.Short()
	case RestrictionVeto:
		text = r.Image.Short() + " is vetoed for " + r.Scope()
	}
	text += " since " + r.Since.UTC().Format(form)
	if !r.Until.IsZero() {
		text += " until " + r.Until.UTC().Format(form)
	}
	if r.By != "" {
		text += " by " + r.By
	}
	return text + ": " + r.Reason
}

// Lifting returns the command that lifts the restriction.
func (r Restriction) Lifting() string {
	verb := map[RestrictionKind]string{RestrictionFreeze: "unfreeze", RestrictionPin: "unpin", RestrictionVeto: "unveto"}[r.Kind]
	return "slipway " + verb + " " + r.ID + " --reason TEXT"
}

// Overridable reports whether a request with Override goes on in spite of the restriction. A veto must be lifted.
func (r Restriction) Overridable() bool { return r.Kind != RestrictionVeto }

// RestrictionRequest asks for a restriction. Image is as in [DeployRequest], for a pin.
type RestrictionRequest struct {
	Kind    RestrictionKind `json:"kind"`
	Cluster Cluster         `json:"cluster"`
	Image   string          `json:"image,omitempty"` // a pin's; default: what serves now
	Reason  string          `json:"reason"`
	By      string          `json:"by,omitempty"`
	Until   time.Time       `json:"until,omitzero"`
}

// LiftRequest asks for the end of a restriction.
type LiftRequest struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
	By     string `json:"by,omitempty"`
}
