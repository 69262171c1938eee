package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

const (
	// holdPatience is how long the last slipwayd's hold on a database may outlive it: its host may have died, and the server notices later.
	holdPatience = 20 * time.Second
	// holdEvery is how often it is looked whether the database is still held.
	holdEvery = time.Second
)

// Claim notes that the records are those of a data directory, which has an ID of its own and is now at a place. Records tell of machines and
// images that only their data directory has, so another is Refused, unless it takes over. A SQLite file needs no claim: it lies in its directory.
func (s *Store) Claim(ctx context.Context, directory, place string, takeOver bool) error {
	if _, ok := s.backend.(postgres); !ok {
		return nil
	}
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		var before struct{ Directory, Place string }
		err := tx.NewRaw("SELECT directory, place FROM owner WHERE id = 1").Scan(ctx, &before)
		switch {
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return err
		case err == nil && before.Directory != directory && !takeOver:
			return slipway.Errorf(slipway.Refused, "cannot start: the records in %s tell of the machines and images of %s; start slipwayd there, give this one a database of its own, or, if that data directory is gone for good, add --take-over",
				s, before.Place)
		}
		_, err = tx.NewRaw("INSERT INTO owner (id, directory, place) VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET directory = excluded.directory, place = excluded.place",
			directory, place).Exec(ctx)
		return err
	})
	return s.explain("claim the records", err)
}

// Hold keeps every other slipwayd from working on the database until release is called or this process ends. The database is lost if its server
// was away and another slipwayd holds it when it is back: then whoever has it must stop. Conflict if another holds it, unless it is to be waited for.
// A SQLite file needs no hold: its directory has a lock.
func (s *Store) Hold(ctx context.Context, wait bool, log *slog.Logger) (lost <-chan error, release func(), err error) {
	b, ok := s.backend.(postgres)
	if !ok {
		return nil, func() {}, nil
	}
	db := b.connect(1, false).DB
	conn, err := s.take(ctx, db, wait, log)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	failed, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		defer db.Close()
		for {
			if stays(ctx, conn); ctx.Err() != nil {
				conn.Close()
				return
			}
			conn.Close()
			log.Warn("the connection that holds the database broke", "database", s.String())
			if conn, err = s.take(ctx, db, false, log); err != nil {
				if ctx.Err() == nil {
					failed <- err
				}
				return
			}
			log.Info("the database is held again", "database", s.String())
		}
	}()
	return failed, func() { cancel(); <-done }, nil
}

// take returns a connection that holds the database. It waits for a server that is away, and for a while, or for as long as need be, for another
// slipwayd's hold to end.
func (s *Store) take(ctx context.Context, db *sql.DB, wait bool, log *slog.Logger) (*sql.Conn, error) {
	first := true
	var since time.Time
	for {
		conn, held, err := try(ctx, db)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, ctx.Err()
		case held:
			return conn, nil
		case err == nil && since.IsZero():
			since = time.Now()
		case err == nil && !wait && time.Since(since) > s.patience:
			return nil, slipway.Errorf(slipway.Conflict, "cannot go on: another slipwayd works on %s; stop it first", s)
		}
		if first && err == nil && wait {
			log.Info("standing by: another slipwayd works on the database", "database", s.String())
		}
		first = false
		timer := time.NewTimer(holdEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
		}
	}
}

func try(ctx context.Context, db *sql.DB) (*sql.Conn, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, false, err
	}
	var held bool
	err = conn.QueryRowContext(ctx, fmt.Sprintf("SELECT pg_try_advisory_lock(%s)", holdLock)).Scan(&held)
	if err != nil || !held {
		return nil, false, errors.Join(err, conn.Close())
	}
	return conn, true, nil
}

// stays returns when the connection, and with it the hold, is gone, or ctx is done.
func stays(ctx context.Context, conn *sql.Conn) {
	every := time.NewTicker(holdEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		asked, cancel := context.WithTimeout(ctx, silence)
		_, err := conn.ExecContext(asked, "SELECT 1")
		cancel()
		if err != nil {
			return
		}
	}
}
