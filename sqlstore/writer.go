package sqlstore

import (
	"context"
	"database/sql"

	"github.com/uptrace/bun"
)

// writer has one connection: who writes waits for its turn here, in order, instead of asking the database again and again. So a transaction
// sees all that was written before it, and nothing is written beside it until it ends: by this process, since there is one connection, and by
// others, since the database has one lock that all writers take (SQLite its own; PostgreSQL that of lock).
type writer struct {
	*bun.DB
	lock string // a statement that waits for the turn of this transaction among those of all processes; "" if the database sees to that
}

// RunInTx runs f in a transaction, which is committed unless f fails.
func (w *writer) RunInTx(ctx context.Context, options *sql.TxOptions, f func(context.Context, bun.Tx) error) error {
	return w.DB.RunInTx(ctx, options, func(ctx context.Context, tx bun.Tx) error {
		if w.lock != "" {
			if _, err := tx.ExecContext(ctx, w.lock); err != nil {
				return err
			}
		}
		return f(ctx, tx)
	})
}
