package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

type deploymentRow struct {
	bun.BaseModel `bun:"table:deployments"`
	ID            string `bun:"id,pk"`
	Application   string `bun:"application"`
	Environment   string `bun:"environment"`
	Image         string `bun:"image"`
	Started       int64  `bun:"started"`
	State         string `bun:"state"`
	Kind          string `bun:"kind"`
	Execution     string `bun:"execution"`
	By            string `bun:"asked_by"`
	Target        string `bun:"target"`
	Brief         string `bun:"brief"`
	doc
}

// CreateDeployment implements [slipway.Store].
func (s *Store) CreateDeployment(ctx context.Context, d slipway.Deployment) (slipway.Deployment, error) {
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		stored, err := s.deployment(ctx, tx, d.ID)
		turn := err == nil && stored.State == slipway.DeploymentQueued && d.State != slipway.DeploymentQueued // it has waited, and begins
		if slipway.CodeOf(err) != slipway.NotFound && !turn {
			d = stored
			return err
		}
		image, err := s.byDigest(ctx, tx, d.Image)
		if err == nil {
			err = image.NotRevoked("deploy " + d.Cluster.Application + " to " + d.Cluster.Environment)
		}
		if err != nil {
			return err
		}
		if d.State != slipway.DeploymentQueued && d.Target == "" {
			if err := nameGroups(ctx, tx, &d); err != nil {
				return err
			}
		}
		row, err := newDeploymentRow(d)
		if err != nil {
			return err
		}
		return upsert(ctx, tx, row, "id")
	})
	if err != nil {
		return slipway.Deployment{}, s.explain("store a new deployment", err)
	}
	return d, nil
}

// PutDeployment implements [slipway.Store].
func (s *Store) PutDeployment(ctx context.Context, d slipway.Deployment) error {
	row, err := newDeploymentRow(d)
	if err != nil {
		return err
	}
	return s.put(ctx, "a deployment", row, "id")
}

// Deployment implements [slipway.Store].
func (s *Store) Deployment(ctx context.Context, id string) (slipway.Deployment, error) {
	return s.deployment(ctx, s.read, id)
}

// Deployments implements [slipway.Store]; without bound for a limit below 1.
func (s *Store) Deployments(ctx context.Context, cluster slipway.Cluster, limit int) ([]slipway.Deployment, error) {
	return list[deploymentRow, slipway.Deployment](ctx, s, s.read, "the deployments", func(q *bun.SelectQuery) *bun.SelectQuery {
		return newest(is(is(q, "application", cluster.Application), "environment", cluster.Environment), "started", "id", limit)
	})
}

func (s *Store) deployment(ctx context.Context, db bun.IDB, id string) (slipway.Deployment, error) {
	return get[deploymentRow, slipway.Deployment](ctx, s, db, "deployment "+quote(id), func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("id = ?", id)
	})
}

func newDeploymentRow(d slipway.Deployment) (*deploymentRow, error) {
	doc, err := encode(d)
	if err != nil {
		return nil, err
	}
	brief, err := encode(slipway.PlacementOf(d))
	if err != nil {
		return nil, err
	}
	return &deploymentRow{
		ID: d.ID, Application: d.Cluster.Application, Environment: d.Cluster.Environment,
		Image: string(d.Image), Started: d.Started.UnixNano(),
		State: string(d.State), Kind: string(d.Kind), Execution: d.Execution, By: d.By, Target: d.Target, Brief: brief.Doc, doc: doc,
	}, nil
}

// nameGroups gives a deployment the names of the server groups that it will make.
func nameGroups(ctx context.Context, tx bun.Tx, d *slipway.Deployment) error {
	baseline := d.Environment.Strategy.HasBaseline() && d.Kind != slipway.KindRollback
	count := 1
	if baseline {
		count = 2
	}
	n, err := nextGroups(ctx, tx, d.Cluster, count)
	if err != nil {
		return err
	}
	d.Target = d.Cluster.GroupName(n)
	if baseline {
		d.Baseline = d.Cluster.GroupName(n + 1)
	}
	return nil
}

// nextGroups takes the cluster's next server group numbers, so many in a row, and returns the first. The cluster's row stays locked until
// tx ends. Conflict if the groups of another cluster have the same names.
func nextGroups(ctx context.Context, tx bun.Tx, cluster slipway.Cluster, count int) (first int, err error) {
	var other slipway.Cluster
	err = tx.NewRaw(`SELECT application, environment FROM clusters WHERE application || '-' || environment = ? AND application <> ?`,
		cluster.String(), cluster.Application).Scan(ctx, &other.Application, &other.Environment)
	if err == nil {
		return 0, slipway.Errorf(slipway.Conflict, "cannot name a server group %s: those of %s in %s are called so", cluster.GroupName(1), other.Application, other.Environment)
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	var last int
	err = tx.NewRaw(`INSERT INTO clusters (application, environment, last_group) VALUES (?, ?, ?)
		ON CONFLICT (application, environment) DO UPDATE SET last_group = clusters.last_group + excluded.last_group RETURNING last_group`,
		cluster.Application, cluster.Environment, count).Scan(ctx, &last)
	return last - count + 1, err
}
