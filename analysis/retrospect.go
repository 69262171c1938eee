package analysis

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// lookBack is among how many deployments of a cluster one is looked for.
const lookBack = 100

// Retrospect analyses what has been. What req leaves open is taken from the deployment that it names, else from the cluster's newest that its
// groups are of: the target is the canary, the baseline, or without one the source, is its control, from the first request to the target until
// it had all of them, with the deployment's own metrics and thresholds, or the defaults of [Defaults].
//
// NotFound if there is no such deployment, or if nothing was measured of a group; else the errors of [Run]. It changes nothing, so that it
// may be done as often as one likes; a time that is over gives the same verdict again.
func Retrospect(ctx context.Context, deps Deps, req slipway.AnalysisRequest) (slipway.Verdict, error) {
	d, err := deployment(ctx, deps.Store, req)
	if err != nil {
		return slipway.Verdict{}, err
	}
	spec := Defaults(specOf(req, d))
	w := Window{
		Deployment: d.ID, Cluster: d.Cluster, Prometheus: d.Environment.Prometheus,
		Canary: cmp.Or(req.Canary, d.Target), Control: cmp.Or(req.Control, d.Baseline, d.Source), From: req.From, To: req.To,
	}
	if w.Control == "" {
		return slipway.Verdict{}, slipway.Errorf(slipway.Invalid, "cannot analyse %s: nothing served before it that %s could be compared with; name a control", d.ID, w.Canary)
	}
	recorded, err := deps.Store.Samples(ctx, d.ID, time.Time{}, time.Time{})
	if err != nil {
		return slipway.Verdict{}, fmt.Errorf("read the samples of %s: %w", d.ID, err)
	}
	if err := sampled(spec, d, w, recorded); err != nil {
		return slipway.Verdict{}, err
	}
	if w.From.IsZero() {
		w.From = began(d, w.Canary, recorded)
	}
	if w.To.IsZero() {
		w.To = deps.ended(d, w.From)
	}
	return Run(ctx, deps, spec, w)
}

// deployment finds the deployment that req is about.
func deployment(ctx context.Context, store Store, req slipway.AnalysisRequest) (slipway.Deployment, error) {
	if req.Deployment != "" {
		d, err := store.Deployment(ctx, req.Deployment)
		if err == nil && req.Cluster != (slipway.Cluster{}) && req.Cluster != d.Cluster {
			err = slipway.Errorf(slipway.Invalid, "cannot analyse %s as one of %s: it is one of %s", d.ID, req.Cluster, d.Cluster)
		}
		return d, err
	}
	for _, named := range [][2]string{{"application", req.Cluster.Application}, {"environment", req.Cluster.Environment}} {
		if err := slipway.ValidateName(named[0], named[1]); err != nil {
			return slipway.Deployment{}, err
		}
	}
	all, err := store.Deployments(ctx, req.Cluster, lookBack)
	if err != nil {
		return slipway.Deployment{}, fmt.Errorf("look for deployments of %s: %w", req.Cluster, err)
	}
	if len(all) == 0 {
		return slipway.Deployment{}, slipway.Errorf(slipway.NotFound, "cannot find a deployment of %s to analyse", req.Cluster)
	}
	has := func(d slipway.Deployment, group string) bool {
		return group == "" || group == d.Target || group == d.Baseline || group == d.Source
	}
	i := slices.IndexFunc(all, func(d slipway.Deployment) bool {
		return d.State != slipway.DeploymentQueued && has(d, req.Canary) && has(d, req.Control)
	})
	if i < 0 {
		named := slices.DeleteFunc([]string{req.Canary, req.Control}, func(g string) bool { return g == "" })
		if len(named) == 0 {
			return slipway.Deployment{}, slipway.Errorf(slipway.NotFound, "cannot find a deployment of %s to analyse: all are queued", req.Cluster)
		}
		return slipway.Deployment{}, slipway.Errorf(slipway.NotFound, "cannot find a deployment of %s that had to do with %s", req.Cluster, strings.Join(named, " and "))
	}
	return all[i], nil
}

// specOf returns what req wants to be judged, and of what it does not say what the deployment wanted.
func specOf(req slipway.AnalysisRequest, d slipway.Deployment) slipway.Analysis {
	var own slipway.Analysis
	switch s := d.Environment.Strategy; {
	case s.Canary != nil && s.Canary.Analysis != nil:
		own = *s.Canary.Analysis
	case s.Custom != nil:
		for _, step := range s.Custom.Steps {
			if step.Analyse != nil {
				own = step.Analyse.Analysis
				break
			}
		}
	}
	if req.Analysis == nil {
		return own
	}
	return Merge(*req.Analysis, own)
}

// sampled returns NotFound if all is to come from samples, and of a group there are none.
func sampled(spec slipway.Analysis, d slipway.Deployment, w Window, recorded []slipway.Sample) error {
	if slices.ContainsFunc(spec.Metrics, func(m slipway.Metric) bool { return m.Query != "" }) {
		return nil
	}
	var groups []string
	for _, s := range recorded {
		if !slices.Contains(groups, s.Group) {
			groups = append(groups, s.Group)
		}
	}
	if len(groups) == 0 {
		return slipway.Errorf(slipway.NotFound, "cannot analyse %s: nothing was measured while it was under way", d.ID)
	}
	for _, g := range []string{w.Canary, w.Control} {
		if !slices.Contains(groups, g) {
			return slipway.Errorf(slipway.NotFound, "cannot analyse %s: of %s nothing was measured, only of %s", d.ID, g, strings.Join(groups, ", "))
		}
	}
	return nil
}

// began returns when the canary got its first request.
func began(d slipway.Deployment, canary string, recorded []slipway.Sample) time.Time {
	first := time.Time{}
	for _, s := range recorded {
		if s.Group == canary && s.Requests > 0 && (first.IsZero() || s.Time.Before(first)) {
			first = s.Time
		}
	}
	if first.IsZero() {
		return d.Started
	}
	return first
}

// ended returns until when the canary shared the traffic with others.
func (d Deps) ended(of slipway.Deployment, from time.Time) time.Time {
	for _, t := range []time.Time{of.Shifted, of.Finished} {
		if t.After(from) {
			return t
		}
	}
	if d.Now != nil {
		return d.Now()
	}
	return time.Now().UTC()
}
