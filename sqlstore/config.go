package sqlstore

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

type configRow struct {
	bun.BaseModel `bun:"table:config_versions"`
	Application   string `bun:"application,pk"`
	Environment   string `bun:"environment,pk"`
	Number        int64  `bun:"number,pk"`
	Created       int64  `bun:"created"`
	Sealed        string `bun:"sealed"` // base64
	doc
}

var _ slipway.ConfigStore = (*Store)(nil)

// AddConfig implements [slipway.ConfigStore].
func (s *Store) AddConfig(ctx context.Context, v slipway.ConfigVersion, sealed []byte) error {
	doc, err := encode(v)
	if err != nil {
		return err
	}
	err = s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		// One who is as fast has taken the number: the primary key lets only one of them have it.
		result, err := tx.NewRaw(`INSERT INTO config_versions (application, environment, number, created, sealed, doc)
			SELECT application, environment, number, created, sealed, doc FROM (
				SELECT CAST(? AS TEXT) AS application, CAST(? AS TEXT) AS environment, CAST(? AS BIGINT) AS number,
					CAST(? AS BIGINT) AS created, CAST(? AS TEXT) AS sealed, CAST(? AS TEXT) AS doc) AS next
			WHERE number = 1 + (SELECT COALESCE(MAX(number), 0) FROM config_versions WHERE application = ? AND environment = ?)
			ON CONFLICT (application, environment, number) DO NOTHING`,
			v.Cluster.Application, v.Cluster.Environment, v.Number, v.Created.UnixNano(), base64.StdEncoding.EncodeToString(sealed), doc.Doc,
			v.Cluster.Application, v.Cluster.Environment).Exec(ctx)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			if err == nil {
				err = slipway.Errorf(slipway.Conflict, "cannot configure %s in %s: there is another version %d already; look at it and do it again",
					v.Cluster.Application, v.Cluster.Environment, v.Number)
			}
			return err
		}
		return nil
	})
	return s.explain("store a version of the configuration", err)
}

// Config implements [slipway.ConfigStore].
func (s *Store) Config(ctx context.Context, cluster slipway.Cluster, number int) (slipway.ConfigVersion, error) {
	return get[configRow, slipway.ConfigVersion](ctx, s, s.read, configNamed(cluster, number), configWhere(cluster, number))
}

// Configs implements [slipway.ConfigStore].
func (s *Store) Configs(ctx context.Context, cluster slipway.Cluster, limit int) ([]slipway.ConfigVersion, error) {
	return list[configRow, slipway.ConfigVersion](ctx, s, s.read, "the versions of the configuration", func(q *bun.SelectQuery) *bun.SelectQuery {
		q = is(is(q.ExcludeColumn("sealed"), "application", cluster.Application), "environment", cluster.Environment)
		if cluster.Application == "" || cluster.Environment == "" {
			q = q.OrderExpr("created DESC, application, environment")
		}
		return newest(q, "number", "created", limit)
	})
}

// SealedConfig implements [slipway.ConfigStore].
func (s *Store) SealedConfig(ctx context.Context, cluster slipway.Cluster, number int) ([]byte, error) {
	var sealed string
	err := s.read.NewSelect().Model((*configRow)(nil)).Column("sealed").Apply(configWhere(cluster, number)).Limit(1).Scan(ctx, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, slipway.Errorf(slipway.NotFound, "cannot find %s", configNamed(cluster, number))
	}
	if err != nil {
		return nil, s.explain("read sealed secrets", err)
	}
	b, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return nil, slipway.Errorf(slipway.Corrupt, "cannot read the secrets of %s: they are damaged in the store", configNamed(cluster, number))
	}
	return b, nil
}

// ResealConfig implements [slipway.ConfigStore].
func (s *Store) ResealConfig(ctx context.Context, cluster slipway.Cluster, number int, sealed []byte) error {
	result, err := s.write.NewUpdate().Model((*configRow)(nil)).Set("sealed = ?", base64.StdEncoding.EncodeToString(sealed)).
		Where("application = ? AND environment = ? AND number = ?", cluster.Application, cluster.Environment, number).Exec(ctx)
	if err != nil {
		return s.explain("store sealed secrets", err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		if err == nil {
			err = slipway.Errorf(slipway.NotFound, "cannot find %s", configNamed(cluster, number))
		}
		return err
	}
	return nil
}

// configWhere selects a version, the newest for number 0.
func configWhere(cluster slipway.Cluster, number int) func(*bun.SelectQuery) *bun.SelectQuery {
	return func(q *bun.SelectQuery) *bun.SelectQuery {
		q = q.Where("application = ? AND environment = ?", cluster.Application, cluster.Environment)
		if number == 0 {
			return q.OrderExpr("number DESC")
		}
		return q.Where("number = ?", number)
	}
}

func configNamed(cluster slipway.Cluster, number int) string {
	if number == 0 {
		return fmt.Sprintf("a configuration of %s in %s", quote(cluster.Application), quote(cluster.Environment))
	}
	return fmt.Sprintf("version %d of the configuration of %s in %s", number, quote(cluster.Application), quote(cluster.Environment))
}
