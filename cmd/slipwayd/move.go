package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/sqlstore"
)

func newMoveCommand(o *options) *cobra.Command {
	var from, to string
	var yes bool
	cmd := &cobra.Command{
		Use:   "move-records --to ADDRESS",
		Short: "Move all records from SQLite to PostgreSQL, or back",
		Long: `move-records copies all records of a data directory from one database to another, in one transaction: afterwards all of them are there,
compared row by row and with the whole audit log verified, or none is. The other database must be empty. slipwayd must not be running on
the data directory; machines and the load balancer keep serving, and work under way goes on when slipwayd is started again, with
--store ADDRESS. The old database stays as it is: a backup that nothing uses any more.

Without --yes it only says what it would do. Run again when all was moved, it compares both and changes nothing.`,
		Example: `  systemctl stop slipwayd
  slipwayd move-records --to postgres://slipway@db.example.com/slipway
  slipwayd move-records --to postgres://slipway@db.example.com/slipway --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return move(cmd.Context(), *o, from, to, yes, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "`address` of the database that has the records (default: DATA/slipway.db)")
	cmd.Flags().StringVar(&to, "to", "", "`address` of the database that is to have them, as --store takes it")
	cmd.Flags().BoolVar(&yes, "yes", false, "really do it")
	return cmd
}

func move(ctx context.Context, o options, from, to string, yes bool, out io.Writer) error {
	if from == "" {
		from = o.path("slipway.db")
	}
	switch {
	case to == "":
		return slipway.Errorf(slipway.Invalid, "cannot move the records: say where to with --to")
	case from == to:
		return slipway.Errorf(slipway.Invalid, "cannot move the records: --from and --to are the same")
	}
	if _, err := os.Stat(o.path("slipwayd.lock")); errors.Is(err, fs.ErrNotExist) {
		return slipway.Errorf(slipway.NotFound, "cannot move the records of %s: it is not the data directory of a slipwayd", o.data)
	}
	if _, err := os.Stat(from); !sqlstore.IsPostgres(from) && err != nil { // it would be made
		return slipway.Errorf(slipway.NotFound, "cannot move the records: %w", err)
	}
	lock, err := lockDataDir(o.data)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	source, freeSource, err := o.take(ctx, from, false)
	if err != nil {
		return err
	}
	defer freeSource()
	if !sqlstore.IsPostgres(to) && !yes {
		if _, err := os.Stat(to); errors.Is(err, fs.ErrNotExist) { // nothing is made to say what would be
			scratch, err := os.MkdirTemp(o.data, "move")
			if err != nil {
				return err
			}
			defer os.RemoveAll(scratch)
			to = filepath.Join(scratch, "slipway.db")
		}
	}
	target, freeTarget, err := o.take(ctx, to, yes)
	if err != nil {
		return err
	}
	defer freeTarget()

	done, err := source.CopyTo(ctx, target, !yes)
	if err != nil {
		return err
	}
	var rows int64
	for _, t := range done.Tables {
		if rows += t.Rows; t.Rows > 0 {
			fmt.Fprintf(out, "%10d  %s\n", t.Rows, t.Table)
		}
	}
	what := fmt.Sprintf("%d rows of %d tables; an audit log of %d entries, verified", rows, len(done.Tables), done.Audit.Entries)
	switch {
	case done.Same:
		fmt.Fprintf(out, "nothing to do: %s has the very same already: %s\n", target, what)
	case !yes:
		fmt.Fprintf(out, "would move %s\nnothing was changed; add --yes to do it\n", what)
	default:
		fmt.Fprintf(out, "moved and compared %s\nstart slipwayd with --store from now on; %s stays as it is, and is not used any more\n", what, source)
	}
	return nil
}

// take opens a database of this data directory's and keeps other slipwayds from it. claim has it be this directory's from now on.
func (o *options) take(ctx context.Context, where string, claim bool) (_ *sqlstore.Store, free func(), err error) {
	store, err := sqlstore.Open(ctx, where)
	if err != nil {
		return nil, nil, err
	}
	_, release, err := store.Hold(ctx, false, o.log)
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	free = func() {
		release()
		store.Close()
	}
	if claim {
		id, err := o.directoryID()
		if err == nil {
			host, _ := os.Hostname()
			err = store.Claim(ctx, id, o.data+" on "+host, false)
		}
		if err != nil {
			free()
			return nil, nil, err
		}
	}
	return store, free, nil
}
