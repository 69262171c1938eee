package restrict

import (
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// Subject is a deployment that would like to begin.
type Subject struct {
	Cluster slipway.Cluster
	Image   slipway.Digest
	Kind    slipway.DeploymentKind
}

// Forbids returns those of all restrictions that are in force now and forbid d, in the order they have:
//
//   - a freeze forbids deployments, not rollbacks: what is broken may always be taken back;
//   - a pin forbids every image but its own, whichever way it would come;
//   - a veto forbids its image, whichever way it would come.
//
// It is pure. The result is nil if nothing forbids d.
func Forbids(all []slipway.Restriction, d Subject, now time.Time) []slipway.Restriction {
	var forbidding []slipway.Restriction
	for _, r := range all {
		if !r.Holds(now) || !r.Covers(d.Cluster) {
			continue
		}
		forbids := true // what is of a kind not known here is not taken lightly
		switch r.Kind {
		case slipway.RestrictionFreeze:
			forbids = d.Kind != slipway.KindRollback
		case slipway.RestrictionPin:
			forbids = r.Image != d.Image
		case slipway.RestrictionVeto:
			forbids = r.Image == d.Image
		}
		if forbids {
			forbidding = append(forbidding, r)
		}
	}
	return forbidding
}

// Refusal returns the Refused error of what the restrictions forbid: it names each of them with its reason, since when it is and by whom,
// and the command that lifts it; and says how to go on in spite of them if none is a veto. doing is what was wanted, to follow "cannot":
// "deploy hello to prod".
func Refusal(doing string, forbidding []slipway.Restriction) *slipway.Error {
	var text strings.Builder
	text.WriteString("cannot " + doing + ": ")
	overridable := true
	for i, r := range forbidding {
		if i > 0 {
			text.WriteString("; and ")
		}
		text.WriteString(r.String() + " (lift it with `" + r.Lifting() + "`)")
		overridable = overridable && r.Overridable()
	}
	if overridable {
		text.WriteString("; or go on in spite of that with --override --reason TEXT")
	} else {
		text.WriteString("; a veto cannot be overridden")
	}
	return slipway.Errorf(slipway.Refused, "%s", text.String())
}
