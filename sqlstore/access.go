package sqlstore

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

var _ slipway.AccessStore = (*Store)(nil)

type bindingRow struct {
	bun.BaseModel `bun:"table:bindings"`
	ID            string `bun:"id,pk"`
	Subject       string `bun:"subject"`
	Role          string `bun:"role"`
	Application   string `bun:"application"`
	Environment   string `bun:"environment"`
	doc
}

// PutBinding implements [slipway.Bindings].
func (s *Store) PutBinding(ctx context.Context, b slipway.Binding) (slipway.Binding, error) {
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		alike, err := list[bindingRow, slipway.Binding](ctx, s, tx, "the bindings", func(q *bun.SelectQuery) *bun.SelectQuery {
			return q.Where("subject = ? AND role = ? AND application = ? AND environment = ?", b.Subject, string(b.Role), b.Application, b.Environment)
		})
		if err != nil {
			return err
		}
		if len(alike) > 0 {
			b = alike[0]
			return nil
		}
		d, err := encode(b)
		if err != nil {
			return err
		}
		return upsert(ctx, tx, &bindingRow{
			ID: b.ID, Subject: b.Subject, Role: string(b.Role), Application: b.Application, Environment: b.Environment, doc: d,
		}, "id")
	})
	if err != nil {
		return slipway.Binding{}, s.explain("store a binding", err)
	}
	return b, nil
}

// Bindings implements [slipway.Bindings].
func (s *Store) Bindings(ctx context.Context) ([]slipway.Binding, error) {
	return list[bindingRow, slipway.Binding](ctx, s, s.read, "the bindings", func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Order("subject", "application", "environment", "role", "id")
	})
}

// DeleteBinding implements [slipway.Bindings].
func (s *Store) DeleteBinding(ctx context.Context, id string) (slipway.Binding, error) {
	return take[bindingRow, slipway.Binding](ctx, s, "binding "+quote(id), "id", id)
}

type trustRow struct {
	bun.BaseModel `bun:"table:trust_rules"`
	Name          string `bun:"name,pk"`
	doc
}

// PutTrustRule implements [slipway.TrustRules].
func (s *Store) PutTrustRule(ctx context.Context, r slipway.TrustRule) error {
	d, err := encode(r)
	if err != nil {
		return err
	}
	return s.put(ctx, "a rule of trust", &trustRow{Name: r.Name, doc: d}, "name")
}

// TrustRules implements [slipway.TrustRules].
func (s *Store) TrustRules(ctx context.Context) ([]slipway.TrustRule, error) {
	return list[trustRow, slipway.TrustRule](ctx, s, s.read, "the rules of trust", func(q *bun.SelectQuery) *bun.SelectQuery { return q.Order("name") })
}

// DeleteTrustRule implements [slipway.TrustRules].
func (s *Store) DeleteTrustRule(ctx context.Context, name string) (slipway.TrustRule, error) {
	return take[trustRow, slipway.TrustRule](ctx, s, "rule of trust "+quote(name), "name", name)
}

type accessRuleRow struct {
	bun.BaseModel `bun:"table:access_rules"`
	Name          string `bun:"name,pk"`
	doc
}

// PutAccessRule implements [slipway.AccessRules].
func (s *Store) PutAccessRule(ctx context.Context, r slipway.AccessRule) error {
	d, err := encode(r)
	if err != nil {
		return err
	}
	return s.put(ctx, "an access rule", &accessRuleRow{Name: r.Name, doc: d}, "name")
}

// AccessRules implements [slipway.AccessRules].
func (s *Store) AccessRules(ctx context.Context) ([]slipway.AccessRule, error) {
	return list[accessRuleRow, slipway.AccessRule](ctx, s, s.read, "the access rules", func(q *bun.SelectQuery) *bun.SelectQuery { return q.Order("name") })
}

// DeleteAccessRule implements [slipway.AccessRules].
func (s *Store) DeleteAccessRule(ctx context.Context, name string) (slipway.AccessRule, error) {
	return take[accessRuleRow, slipway.AccessRule](ctx, s, "access rule "+quote(name), "name", name)
}

// take removes the one row of R's table that has the key, and returns its record; a NotFound error that says it is the one named by what if
// there is none.
func take[R row, T any](ctx context.Context, s *Store, what, column, key string) (T, error) {
	var record T
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) (err error) {
		record, err = get[R, T](ctx, s, tx, what, func(q *bun.SelectQuery) *bun.SelectQuery {
			return q.Where("? = ?", bun.Ident(column), key)
		})
		if err != nil {
			return err
		}
		var none *R
		_, err = tx.NewDelete().Model(none).Where("? = ?", bun.Ident(column), key).Exec(ctx)
		return err
	})
	return record, s.explain("remove "+what, err)
}
