package chaos

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/test/daemon"
	"github.com/slipway-sh/slipway/test/load"
)

// end is what must be found once a deployment is over.
type end struct {
	states  []slipway.DeploymentState // one of these
	release string                    // that answers alone
	serving string                    // the group that it answers from
	groups  int                       // of the cluster, that one among them
}

// amiss returns what does not hold of a deployment that is over, by the numbers of the invariants in docs/reliability.md.
func (r *rig) amiss(d slipway.Deployment, want end) []string {
	var wrong []string
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }

	if !slices.Contains(want.states, d.State) {
		say("it is %s, not %v: %v", d.State, want.states, d.Error)
	}
	if len(d.Undo) > 0 {
		say("3: its ledger is not empty: %+v", d.Undo)
	}
	deployments, err := r.API.Deployments(r.t.Context(), prod, 1000)
	if err != nil {
		r.t.Fatal(err)
	}
	if len(deployments) != r.made {
		say("2: there are records of %d deployments, and %d were begun", len(deployments), r.made)
	}
	for _, o := range deployments {
		if !o.State.Done() {
			say("2: %s is %s, at %q", o.ID, o.State, o.Step)
		}
	}
	r.answers(want.release, say)
	r.stands(want, say)
	return wrong
}

// answers finds out whether another release than the one that is wanted still answers.
func (r *rig) answers(want string, say func(string, ...any)) {
	before := r.requests.Counts()
	if err := r.requests.Await(r.t.Context(), rate/4); err != nil {
		say("1: %v", err)
		return
	}
	// Answers that were under way when the count began may be old: there are at most as many as were open.
	for label, n := range r.requests.Counts().Minus(before).Labels {
		if label != want && n > before.Open {
			say("5: %d answers come from %s, not from %s", n, label, want)
		}
	}
}

// stands looks at what there is: groups, machines, traffic, and what lies about on the host.
func (r *rig) stands(want end, say func(string, ...any)) {
	status := r.cluster()
	if status.Serving != want.serving {
		say("5: %q serves, not %q", status.Serving, want.serving)
	}
	var names []string
	known := map[string]bool{}
	for _, group := range status.Groups {
		names = append(names, group.Name)
		for _, instance := range group.Instances {
			known[instance.ID] = true
		}
		if group.Size.Desired != machines || len(group.Instances) != machines || group.Healthy() != machines {
			say("1: %s has %d machines, %d of them healthy, and is to have %d, want %d",
				group.Name, len(group.Instances), group.Healthy(), group.Size.Desired, machines)
		}
	}
	if len(names) != want.groups {
		say("6: there are %d groups (%s), want %d", len(names), strings.Join(names, ", "), want.groups)
	}
	if status.Route == nil {
		say("3: there is no route")
	} else {
		for _, g := range status.Route.Groups {
			if g.Mode != slipway.Off && g.Group != status.Serving {
				say("3: the route still has %s, %s", g.Group, g.Mode)
			}
		}
	}
	instances, err := r.API.Instances(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, instance := range instances {
		if !known[instance.ID] {
			say("6: machine %s is nobody's: %+v", instance.ID, instance)
		}
	}
	if n := daemon.Overlays(r.Data); n != len(known) {
		say("6: %d root file systems are mounted for %d machines", n, len(known))
	}
}

// failed returns how many requests failed of those that were sent since, and why.
func (r *rig) failed(since load.Counts) (counts load.Counts, why []string) {
	counts = r.requests.Counts().Minus(since)
	if counts.Failed > 0 {
		for _, f := range r.requests.Failures() {
			why = append(why, f.String())
		}
	}
	return counts, why
}
