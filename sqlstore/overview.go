package sqlstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/uptrace/bun"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-sh/slipway"
)

var _ slipway.Records = (*Store)(nil)

// open are the states of deployments that are not over.
var openStates = []slipway.DeploymentState{slipway.DeploymentQueued, slipway.DeploymentRunning, slipway.DeploymentHeld, slipway.DeploymentUndoing}

// policyRow is what an application's newest slipway.yaml says of an environment.
type policyRow struct {
	bun.BaseModel `bun:"table:environments"`
	Application   string `bun:"application,pk"`
	Environment   string `bun:"environment,pk"`
	doc
}

// memos are of texts that are read whenever somebody looks at an environment.
type memos struct {
	specs      memo[slipway.Spec]
	policies   memo[slipway.Environment]
	routes     memo[slipway.Route]
	placements memo[slipway.Placement]
	images     memo[slipway.RunningImage]
}

// readsAtOnce is how many queries of one look run side by side. More only compete for the processors: with six, 99 of 100 answers take half as
// long again on two processors (make bench BENCH='--only api').
const readsAtOnce = 2

// atOnce is how many values are asked for in one query.
const atOnce = 1000

// EnvironmentRecords implements [slipway.Records].
func (s *Store) EnvironmentRecords(ctx context.Context, cluster slipway.Cluster, groups []string, images []slipway.Digest) (slipway.EnvironmentRecords, error) {
	r := slipway.EnvironmentRecords{
		Policies: map[string]slipway.Environment{}, Known: map[string]bool{}, Routes: map[string]slipway.Route{}, Last: map[string]slipway.Placement{},
		Placed: map[string]slipway.Placement{}, Images: map[slipway.Digest]slipway.RunningImage{},
	}
	of := func(q *bun.SelectQuery) *bun.SelectQuery {
		return is(is(q, "environment", cluster.Environment), "application", cluster.Application)
	}
	reads, ctx := errgroup.WithContext(ctx)
	reads.SetLimit(readsAtOnce)
	reads.Go(func() error { return s.policies(ctx, of, cluster.Application, r) })
	reads.Go(func() error { return s.routesOf(ctx, of, r) })
	reads.Go(func() error { return s.lastOf(ctx, cluster, r) })
	reads.Go(func() error { return s.placed(ctx, groups, r) })
	reads.Go(func() error { return s.running(ctx, images, r) })
	var open []slipway.Deployment
	reads.Go(func() (err error) {
		open, err = list[deploymentRow, slipway.Deployment](ctx, s, s.read, "the deployments", func(q *bun.SelectQuery) *bun.SelectQuery {
			return oneOf(of(q), "state", openStates)
		})
		return err
	})
	if err := reads.Wait(); err != nil {
		return slipway.EnvironmentRecords{}, s.explain("read the environment", err)
	}
	r.Open = open
	slices.SortFunc(r.Open, func(a, b slipway.Deployment) int {
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID))
	})
	return r, nil
}

// EnvironmentNames implements [slipway.Records].
func (s *Store) EnvironmentNames(ctx context.Context) ([]slipway.EnvironmentInfo, error) {
	var policies []policyRow
	if err := s.read.NewSelect().Model(&policies).Scan(ctx); err != nil {
		return nil, s.explain("read the environments", err)
	}
	var used []struct{ Application, Environment string }
	if err := s.read.NewRaw(`SELECT application, environment FROM clusters UNION SELECT application, environment FROM routes`).Scan(ctx, &used); err != nil {
		return nil, s.explain("read the environments", err)
	}
	members := map[string]map[string]*slipway.Environment{}
	add := func(environment, application string, policy *slipway.Environment) {
		if members[environment] == nil {
			members[environment] = map[string]*slipway.Environment{}
		}
		if policy != nil || members[environment][application] == nil {
			members[environment][application] = policy
		}
	}
	for _, p := range policies {
		policy, err := s.memos.policies.decode(p.Doc)
		if err != nil {
			return nil, s.explain("read the environments", err)
		}
		add(p.Environment, p.Application, &policy)
	}
	for _, c := range used {
		add(c.Environment, c.Application, nil)
	}
	all := []slipway.EnvironmentInfo{}
	for name, applications := range members {
		info := slipway.EnvironmentInfo{Name: name, Accounts: []string{}}
		for application, policy := range applications {
			info.Applications = append(info.Applications, slipway.EnvironmentMember{Application: application, Policy: policy})
			if policy != nil {
				info.Accounts = append(info.Accounts, cmp.Or(policy.Account, slipway.DefaultAccount))
			}
		}
		slices.SortFunc(info.Applications, func(a, b slipway.EnvironmentMember) int { return cmp.Compare(a.Application, b.Application) })
		slices.Sort(info.Accounts)
		info.Accounts = slices.Compact(info.Accounts)
		all = append(all, info)
	}
	slices.SortFunc(all, func(a, b slipway.EnvironmentInfo) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

type narrowing func(*bun.SelectQuery) *bun.SelectQuery

func (s *Store) policies(ctx context.Context, of narrowing, application string, r slipway.EnvironmentRecords) error {
	var rows []policyRow
	if err := s.read.NewSelect().Model(&rows).Apply(of).Scan(ctx); err != nil {
		return err
	}
	for _, row := range rows {
		policy, err := s.memos.policies.decode(row.Doc)
		if err != nil {
			return err
		}
		r.Policies[row.Application] = policy
	}
	var known []string
	if err := is(s.read.NewSelect().Table("applications").Column("name"), "name", application).Scan(ctx, &known); err != nil {
		return err
	}
	for _, name := range known {
		r.Known[name] = true
	}
	return nil
}

func (s *Store) routesOf(ctx context.Context, of narrowing, r slipway.EnvironmentRecords) error {
	var rows []routeRow
	if err := s.read.NewSelect().Model(&rows).Apply(of).Scan(ctx); err != nil {
		return err
	}
	for _, row := range rows {
		route, err := s.memos.routes.decode(row.Doc)
		if err != nil {
			return err
		}
		r.Routes[row.Application] = route
	}
	return nil
}

// lastOf reads the last deployment that is over of each cluster: one look into an index for each.
func (s *Store) lastOf(ctx context.Context, cluster slipway.Cluster, r slipway.EnvironmentRecords) error {
	last := s.lastDeployment("brief", "clusters.application", "clusters.environment")
	var rows []struct{ Application, Brief string }
	q := s.read.NewSelect().Table("clusters").Column("application").ColumnExpr("coalesce((?), '') AS brief", last)
	if err := is(is(q, "environment", cluster.Environment), "application", cluster.Application).Scan(ctx, &rows); err != nil {
		return err
	}
	for _, row := range rows {
		if row.Brief == "" {
			continue
		}
		p, err := s.memos.placements.decode(row.Brief)
		if err != nil {
			return err
		}
		r.Last[row.Application] = p
	}
	return nil
}

// placed reads the last deployment that led to each of the groups and succeeded. A group has few that led to it, so that it is quicker to leave
// the others out here than to have the database weigh which index is the better one.
func (s *Store) placed(ctx context.Context, groups []string, r slipway.EnvironmentRecords) error {
	for some := range slices.Chunk(groups, atOnce) {
		var rows []struct{ Target, State, Brief string }
		if err := s.read.NewSelect().Table("deployments").Column("target", "state", "brief").Where("target IN (?)", bun.In(some)).Scan(ctx, &rows); err != nil {
			return err
		}
		for _, row := range rows {
			if row.State != string(slipway.DeploymentSucceeded) {
				continue
			}
			p, err := s.memos.placements.decode(row.Brief)
			if err != nil {
				return err
			}
			if other, ok := r.Placed[row.Target]; !ok || cmp.Or(p.Started.Compare(other.Started), cmp.Compare(p.Deployment, other.Deployment)) > 0 {
				r.Placed[row.Target] = p
			}
		}
	}
	return nil
}

func (s *Store) running(ctx context.Context, images []slipway.Digest, r slipway.EnvironmentRecords) error {
	for some := range slices.Chunk(images, atOnce) {
		var briefs []string
		if err := s.read.NewSelect().Table("images").Column("brief").Where("digest IN (?)", bun.In(some)).Scan(ctx, &briefs); err != nil {
			return err
		}
		for _, brief := range briefs {
			i, err := s.memos.images.decode(brief)
			if err != nil {
				return err
			}
			r.Images[i.Digest] = i
		}
	}
	return nil
}

// putPolicies makes the rows of an application's environments those of its slipway.yaml.
func putPolicies(ctx context.Context, tx bun.IDB, spec slipway.Spec) error {
	if _, err := tx.NewDelete().Model((*policyRow)(nil)).Where("application = ?", spec.Application).Exec(ctx); err != nil {
		return err
	}
	var rows []policyRow
	for name, environment := range spec.Environments {
		d, err := encode(environment)
		if err != nil {
			return err
		}
		rows = append(rows, policyRow{Application: spec.Application, Environment: name, doc: d})
	}
	if len(rows) == 0 {
		return nil
	}
	_, err := tx.NewInsert().Model(&rows).Exec(ctx)
	return err
}
