package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

var _ slipway.ApprovalStore = (*Store)(nil)

type approvalRow struct {
	bun.BaseModel `bun:"table:approvals"`
	ID            string `bun:"id,pk"`
	Application   string `bun:"application"`
	Environment   string `bun:"environment"`
	Subject       string `bun:"subject"`
	State         string `bun:"state"`
	Asked         int64  `bun:"asked"`
	Version       int64  `bun:"version"`
	doc
}

// CreateApproval implements [slipway.ApprovalStore].
func (s *Store) CreateApproval(ctx context.Context, a slipway.Approval) (slipway.Approval, error) {
	row, err := newApprovalRow(a, 1)
	if err != nil {
		return a, err
	}
	if _, err := s.write.NewInsert().Model(row).On("CONFLICT (id) DO NOTHING").Exec(ctx); err != nil {
		return a, s.explain("store an approval", err)
	}
	return s.approval(ctx, s.write, a.ID)
}

// Approval implements [slipway.ApprovalStore].
func (s *Store) Approval(ctx context.Context, id string) (slipway.Approval, error) {
	return s.approval(ctx, s.read, id)
}

// Approvals implements [slipway.ApprovalStore].
func (s *Store) Approvals(ctx context.Context, filter slipway.ApprovalFilter, limit int) ([]slipway.Approval, error) {
	return list[approvalRow, slipway.Approval](ctx, s, s.read, "the approvals", func(q *bun.SelectQuery) *bun.SelectQuery {
		q = is(is(is(q, "application", filter.Application), "environment", filter.Environment), "subject", filter.Subject)
		if filter.Pending {
			q = q.Where("state = ?", string(slipway.ApprovalPending))
		}
		return newest(beyond(q, "asked", "id", filter.After), "asked", "id", limit)
	})
}

// ChangeApproval implements [slipway.ApprovalStore]: what was changed by another meanwhile is read, and changed, again.
func (s *Store) ChangeApproval(ctx context.Context, id string, change func(*slipway.Approval) error) (slipway.Approval, error) {
	var a slipway.Approval
	for changed := false; !changed; {
		err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			var row approvalRow
			err := tx.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx)
			if errors.Is(err, sql.ErrNoRows) {
				return slipway.Errorf(slipway.NotFound, "cannot find approval %s", quote(id))
			}
			a = slipway.Approval{}
			if err == nil {
				err = decode(row, "approval "+quote(id), &a)
			}
			if err != nil {
				return err
			}
			was := a
			if err := change(&a); err != nil {
				a = was
				return err
			}
			next, err := newApprovalRow(a, row.Version+1)
			if err != nil {
				return err
			}
			done, err := tx.NewUpdate().Model(next).WherePK().Where("version = ?", row.Version).Exec(ctx)
			if err != nil {
				return err
			}
			n, err := done.RowsAffected()
			changed = n == 1
			return err
		})
		if err != nil {
			return a, s.explain("change an approval", err)
		}
	}
	return a, nil
}

func (s *Store) approval(ctx context.Context, db bun.IDB, id string) (slipway.Approval, error) {
	return get[approvalRow, slipway.Approval](ctx, s, db, "approval "+quote(id), func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("id = ?", id)
	})
}

func newApprovalRow(a slipway.Approval, version int64) (*approvalRow, error) {
	doc, err := encode(a)
	if err != nil {
		return nil, err
	}
	return &approvalRow{
		ID: a.ID, Application: a.Application, Environment: a.Environment, Subject: a.Subject, State: string(a.State),
		Asked: a.Asked.UnixNano(), Version: version, doc: doc,
	}, nil
}
