package promote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/deploy"
)

// Bounds of what is looked back on.
const (
	maxDeployments = 1000
	maxApprovals   = 100
)

// Records are what a promotion is judged by. [sqlstore.Store] has all of them.
type Records interface {
	slipway.Store
	slipway.ApprovalStore
	slipway.PromotionStore
	slipway.LossStore
	slipway.ConfigStore
}

// Gatherer reads [Facts].
type Gatherer struct {
	Store    Records
	Provider slipway.Provider
	Verifier slipway.ImageVerifier
}

// Subject is a promotion, or another deployment, whose facts are wanted.
type Subject struct {
	Cluster   slipway.Cluster
	From      string                   // "" for what the policy says
	Image     string                   // as FindImage takes it; "" for what serves in From
	Policy    *slipway.PromotionPolicy // nil: the one of the slipway.yaml baked last
	Requester string
	Override  bool
	Moves     bool // it is a promotion
	NotBefore time.Time
	Promotion string
}

// Facts reads all that decides about the subject. NotFound if the application, the environments or the image are not known, or if nothing
// serves in From that could be meant; Invalid if it is not said what From is.
func (g Gatherer) Facts(ctx context.Context, s Subject, now time.Time) (Facts, error) {
	f := Facts{Now: now, Cluster: s.Cluster, From: s.From, Requester: s.Requester, Override: s.Override, Moves: s.Moves, NotBefore: s.NotBefore, Promotion: s.Promotion}
	if s.Policy == nil {
		policy, err := g.policy(ctx, s.Cluster, s.From)
		if err != nil {
			return f, err
		}
		s.Policy = &policy
	}
	f.Policy = *s.Policy
	if f.From == "" {
		f.From = f.Policy.From
	}
	var err error
	if f.From != "" {
		source := slipway.Cluster{Application: s.Cluster.Application, Environment: f.From}
		if f.Serving, f.Stay, err = g.stay(ctx, source, now); err != nil {
			return f, err
		}
	} else if s.Image == "" {
		return f, slipway.Errorf(slipway.Invalid, "cannot tell from where to promote %s to %s: say from which environment, or write policy.promotion.from in slipway.yaml",
			s.Cluster.Application, s.Cluster.Environment).At("from")
	}
	switch {
	case s.Image != "":
		f.Image, err = g.Store.FindImage(ctx, s.Cluster.Application, s.Image)
	case f.Serving == "":
		err = slipway.Errorf(slipway.NotFound, "cannot promote %s from %s: nothing serves there", s.Cluster.Application, f.From)
	default:
		f.Image, err = g.Store.Image(ctx, f.Serving)
	}
	if err != nil {
		return f, err
	}
	if f.Change, err = g.Change(ctx, s.Cluster); err != nil {
		return f, err
	}
	if f.Verification, err = g.Verifier.VerifyImage(ctx, f.Image.Digest); err != nil {
		if code := slipway.CodeOf(err); code != slipway.Refused && code != slipway.Corrupt {
			return f, err
		}
		f.Unverified = problem(err)
	}
	if f.Restrictions, err = g.Store.Restrictions(ctx); err != nil {
		return f, err
	}
	if f.Approvals, err = g.approvals(ctx, s.Cluster, f.Image.Digest); err != nil {
		return f, err
	}
	for _, d := range f.Policy.DependsOn {
		n, err := g.need(ctx, d, s.Cluster.Environment)
		if err != nil {
			return f, err
		}
		f.Needs = append(f.Needs, n)
	}
	return f, nil
}

// policy returns what the slipway.yaml that was baked last says of the cluster. NotFound unless it knows both environments.
func (g Gatherer) policy(ctx context.Context, to slipway.Cluster, from string) (slipway.PromotionPolicy, error) {
	spec, err := g.Store.Application(ctx, to.Application)
	if err != nil {
		return slipway.PromotionPolicy{}, err
	}
	for _, name := range []string{from, to.Environment} {
		if _, ok := spec.Environments[name]; !ok && name != "" {
			return slipway.PromotionPolicy{}, slipway.Errorf(slipway.NotFound, "cannot promote %s from %s to %s: its slipway.yaml defines no environment %s",
				to.Application, from, to.Environment, name)
		}
	}
	if p := spec.Environments[to.Environment].Policy.Promotion; p != nil {
		return *p, nil
	}
	return slipway.PromotionPolicy{}, nil
}

// Change returns what a deployment to the cluster would replace, and what machines would be told there.
func (g Gatherer) Change(ctx context.Context, to slipway.Cluster) (c Change, err error) {
	group, err := g.group(ctx, to)
	if err != nil {
		return c, err
	}
	if group != nil {
		c.Replaces, c.ConfigReplaces = group.Image, group.ConfigVersion
	}
	newest, err := g.Store.Config(ctx, to, 0)
	if err != nil && slipway.CodeOf(err) != slipway.NotFound {
		return c, err
	}
	c.Config = newest.Number
	return c, nil
}

// Against fills in what the image that an approval is about would replace.
func (g Gatherer) Against(ctx context.Context, a *slipway.Approval) error {
	c, err := g.Change(ctx, slipway.Cluster{Application: a.Application, Environment: a.Environment})
	if err == nil {
		a.Against, a.Config, a.ConfigAgainst = c.Replaces, c.Config, c.ConfigReplaces
	}
	return err
}

// serving returns the image that serves the cluster, "" if none does.
func (g Gatherer) serving(ctx context.Context, cluster slipway.Cluster) (slipway.Digest, error) {
	group, err := g.group(ctx, cluster)
	if err != nil || group == nil {
		return "", err
	}
	return group.Image, nil
}

// group returns the group that serves the cluster, nil if none does.
func (g Gatherer) group(ctx context.Context, cluster slipway.Cluster) (*slipway.ServerGroup, error) {
	name, err := deploy.Serving(ctx, g.Store, cluster)
	if err != nil || name == "" {
		return nil, err
	}
	group, err := g.Provider.ServerGroup(ctx, name)
	if slipway.CodeOf(err) == slipway.NotFound {
		return nil, nil
	}
	return &group, err
}

// stay returns the image that serves the cluster and how it has done: since the last deployment that made its group serve had proved that all
// traffic is on it, or, of workers, since it was done; or since a machine of the cluster was lost after that.
func (g Gatherer) stay(ctx context.Context, cluster slipway.Cluster, now time.Time) (slipway.Digest, Stay, error) {
	group, err := g.group(ctx, cluster)
	if err != nil || group == nil {
		return "", Stay{}, err
	}
	s := Stay{Healthy: group.Healthy(), Wanted: group.Size.Desired}
	records, err := g.Store.Deployments(ctx, cluster, maxDeployments)
	if err != nil {
		return "", s, err
	}
	for _, d := range records {
		if d.Target != group.Name || d.State != slipway.DeploymentSucceeded {
			continue
		}
		if s.Since = d.Shifted; s.Since.IsZero() {
			s.Since = d.Finished
		}
		break
	}
	if s.Since.IsZero() {
		return group.Image, s, nil // its deployment is not over
	}
	losses, err := g.Store.Losses(ctx, cluster)
	if err != nil {
		return "", s, err
	}
	noted := 0
	for _, l := range losses {
		if l.Group == group.Name {
			noted = l.Replaced
		}
		if l.At.After(s.Since) {
			s.Since, s.Lost = l.At, true
		}
	}
	if group.Replaced != noted { // it was lost so lately that it is not on record
		s.Since, s.Lost = now, true
	}
	return group.Image, s, nil
}

// approvals returns what promotions of the image to the cluster have asked, newest first.
func (g Gatherer) approvals(ctx context.Context, to slipway.Cluster, image slipway.Digest) ([]slipway.Approval, error) {
	all, err := g.Store.Approvals(ctx, slipway.ApprovalFilter{Application: to.Application, Environment: to.Environment}, maxApprovals)
	var of []slipway.Approval
	for _, a := range all {
		if a.Image == image && slipway.IsPromotion(a.Subject) {
			of = append(of, a)
		}
	}
	return of, err
}

// need returns what another application serves.
func (g Gatherer) need(ctx context.Context, d slipway.Dependency, environment string) (Need, error) {
	if d.Environment != "" {
		environment = d.Environment
	}
	digest, err := g.serving(ctx, slipway.Cluster{Application: d.Application, Environment: environment})
	if err != nil || digest == "" {
		return Need{}, err
	}
	image, err := g.Store.Image(ctx, digest)
	if err != nil {
		return Need{Err: problem(err)}, passing(err)
	}
	n := Need{Image: &image}
	if d.Image != "" {
		wanted, err := g.Store.FindImage(ctx, d.Application, d.Image)
		if err != nil {
			return Need{Err: problem(err)}, passing(err)
		}
		n.Wanted = wanted.Digest
	}
	return n, nil
}

// problem returns err as it may be shown.
func problem(err error) *slipway.Error {
	var e *slipway.Error
	if errors.As(err, &e) {
		return e
	}
	return slipway.Errorf(slipway.CodeOf(err), "%s", slipway.MessageOf(err))
}

// passing returns nil for an error that says what is so, and err if it may be otherwise when it is tried again.
func passing(err error) error {
	switch slipway.CodeOf(err) {
	case slipway.NotFound, slipway.Invalid:
		return nil
	}
	return err
}

// what says what is promoted, to follow "cannot".
func what(f Facts) string {
	return fmt.Sprintf("promote %s %s from %s to %s", f.Cluster.Application, f.Image.Name(), f.From, f.Cluster.Environment)
}
