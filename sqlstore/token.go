package sqlstore

import (
	"context"
	"crypto/subtle"
	"math"
	"time"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

type tokenRow struct {
	bun.BaseModel `bun:"table:tokens"`
	ID            string `bun:"id,pk"`
	Name          string `bun:"name"`
	Used          int64  `bun:"used"` // 0: never
	UsedFrom      string `bun:"used_from"`
	doc
}

// hashRow is the hash of a secret of a token, which is good until then.
type hashRow struct {
	bun.BaseModel `bun:"table:token_hashes"`
	Hash          string `bun:"hash,pk"`
	Start         string `bun:"start"`
	Token         string `bun:"token"`
	Until         int64  `bun:"until"`
}

// startLetters is how much of a hash it is looked up by. The rest is compared in constant time.
const startLetters = 16

func startOf(hash string) string { return hash[:min(len(hash), startLetters)] }

func sameHash(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func newHash(hash, token string) *hashRow {
	return &hashRow{Hash: hash, Start: startOf(hash), Token: token, Until: math.MaxInt64}
}

// CreateToken implements [slipway.Tokens].
func (s *Store) CreateToken(ctx context.Context, t slipway.Token, hash string) error {
	d, err := encode(t)
	if err != nil {
		return err
	}
	err = s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		taken, err := tx.NewSelect().Model((*tokenRow)(nil)).Where("name = ?", t.Name).Exists(ctx)
		if err != nil {
			return err
		}
		if taken {
			return slipway.Errorf(slipway.Conflict, "cannot make token %s: there is one of that name; rotate it, or revoke it first", t.Name).At("name")
		}
		if _, err := tx.NewInsert().Model(&tokenRow{ID: t.ID, Name: t.Name, doc: d}).Exec(ctx); err != nil {
			return err
		}
		_, err = tx.NewInsert().Model(newHash(hash, t.ID)).Exec(ctx)
		return err
	})
	return s.explain("store a token", err)
}

// TokenByHash implements [slipway.Tokens].
func (s *Store) TokenByHash(ctx context.Context, hash string, at time.Time) (slipway.Token, error) {
	var t slipway.Token
	none := slipway.Errorf(slipway.NotFound, "cannot find the token")
	var rows []hashRow
	err := s.read.NewSelect().Model(&rows).Where("start = ? AND until > ?", startOf(hash), at.UnixNano()).Scan(ctx)
	if err != nil {
		return t, s.explain("look for a token", err)
	}
	id := ""
	for _, r := range rows {
		if sameHash(r.Hash, hash) {
			id = r.Token
		}
	}
	if id == "" {
		return t, none
	}
	tokens, err := s.tokens(ctx, s.read, func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("id = ?", id) })
	if err != nil {
		return t, s.explain("look for a token", err)
	}
	if len(tokens) == 0 { // it was removed in between
		return t, none
	}
	return tokens[0], nil
}

// Tokens implements [slipway.Tokens].
func (s *Store) Tokens(ctx context.Context) ([]slipway.Token, error) {
	all, err := s.tokens(ctx, s.read, func(q *bun.SelectQuery) *bun.SelectQuery { return q.Order("name") })
	return all, s.explain("read the tokens", err)
}

// tokens returns those that where selects, with when they were used.
func (s *Store) tokens(ctx context.Context, db bun.IDB, where func(*bun.SelectQuery) *bun.SelectQuery) ([]slipway.Token, error) {
	var rows []tokenRow
	if err := db.NewSelect().Model(&rows).Apply(where).Scan(ctx); err != nil {
		return nil, err
	}
	all := make([]slipway.Token, len(rows))
	for i, r := range rows {
		if err := decode(r, "a token", &all[i]); err != nil {
			return nil, err
		}
		if r.Used != 0 {
			all[i].Used, all[i].UsedFrom = time.Unix(0, r.Used).UTC(), r.UsedFrom
		}
	}
	return all, nil
}

// RotateToken implements [slipway.Tokens].
func (s *Store) RotateToken(ctx context.Context, t slipway.Token, hash string) (slipway.Token, error) {
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		all, err := s.tokens(ctx, tx, func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("id = ?", t.ID) })
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return slipway.Errorf(slipway.NotFound, "cannot find token %s: it was revoked", quote(t.Name))
		}
		now := all[0]
		now.Rotated, now.Grace, now.Expires = t.Rotated, t.Grace, t.Expires
		t = now
		// The one before the last is good no more, and the last until its grace is over.
		if _, err := tx.NewDelete().Model((*hashRow)(nil)).Where("token = ? AND until <> ?", t.ID, int64(math.MaxInt64)).Exec(ctx); err != nil {
			return err
		}
		until := t.Rotated
		if t.Grace.After(until) {
			until = t.Grace
		}
		if _, err := tx.NewUpdate().Model((*hashRow)(nil)).Set("until = ?", until.UnixNano()).Where("token = ?", t.ID).Exec(ctx); err != nil {
			return err
		}
		if _, err := tx.NewInsert().Model(newHash(hash, t.ID)).Exec(ctx); err != nil {
			return err
		}
		d, err := encode(t)
		if err != nil {
			return err
		}
		_, err = tx.NewUpdate().Model((*tokenRow)(nil)).Set("doc = ?", d.Doc).Where("id = ?", t.ID).Exec(ctx)
		return err
	})
	if err != nil {
		return slipway.Token{}, s.explain("rotate a token", err)
	}
	return t, nil
}

// UseToken implements [slipway.Tokens].
func (s *Store) UseToken(ctx context.Context, id string, at time.Time, from string) error {
	_, err := s.write.NewUpdate().Model((*tokenRow)(nil)).Set("used = ?", at.UnixNano()).Set("used_from = ?", from).Where("id = ?", id).Exec(ctx)
	return s.explain("note that a token was used", err)
}

// DeleteToken implements [slipway.Tokens].
func (s *Store) DeleteToken(ctx context.Context, id string) (slipway.Token, error) {
	var t slipway.Token
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		all, err := s.tokens(ctx, tx, func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("id = ?", id) })
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return slipway.Errorf(slipway.NotFound, "cannot find token %s: it was revoked", quote(id))
		}
		t = all[0]
		if _, err := tx.NewDelete().Model((*hashRow)(nil)).Where("token = ?", id).Exec(ctx); err != nil {
			return err
		}
		_, err = tx.NewDelete().Model((*tokenRow)(nil)).Where("id = ?", id).Exec(ctx)
		return err
	})
	return t, s.explain("revoke a token", err)
}

type sessionRow struct {
	bun.BaseModel `bun:"table:sessions"`
	ID            string `bun:"id,pk"`
	Hash          string `bun:"hash"`
	Start         string `bun:"start"`
	Seen          int64  `bun:"seen"`
	Expires       int64  `bun:"expires"`
	doc
}

// CreateSession implements [slipway.Sessions].
func (s *Store) CreateSession(ctx context.Context, session slipway.Session, hash string) error {
	d, err := encode(session)
	if err != nil {
		return err
	}
	err = s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewDelete().Model((*sessionRow)(nil)).Where("expires <= ?", session.Created.UnixNano()).Exec(ctx); err != nil {
			return err
		}
		_, err := tx.NewInsert().Model(&sessionRow{
			ID: session.ID, Hash: hash, Start: startOf(hash), Seen: session.Seen.UnixNano(), Expires: session.Expires.UnixNano(), doc: d,
		}).Exec(ctx)
		return err
	})
	return s.explain("store a session", err)
}

// SessionByHash implements [slipway.Sessions].
func (s *Store) SessionByHash(ctx context.Context, hash string) (slipway.Session, error) {
	var rows []sessionRow
	if err := s.read.NewSelect().Model(&rows).Where("start = ?", startOf(hash)).Scan(ctx); err != nil {
		return slipway.Session{}, s.explain("look for a session", err)
	}
	for _, r := range rows {
		if !sameHash(r.Hash, hash) {
			continue
		}
		var session slipway.Session
		err := decode(r, "a session", &session)
		session.Seen = time.Unix(0, r.Seen).UTC()
		return session, err
	}
	return slipway.Session{}, slipway.Errorf(slipway.NotFound, "cannot find the session")
}

// SeeSession implements [slipway.Sessions].
func (s *Store) SeeSession(ctx context.Context, id string, at time.Time) error {
	_, err := s.write.NewUpdate().Model((*sessionRow)(nil)).Set("seen = ?", at.UnixNano()).Where("id = ?", id).Exec(ctx)
	return s.explain("note that a session was used", err)
}

// DeleteSession implements [slipway.Sessions].
func (s *Store) DeleteSession(ctx context.Context, id string) error {
	_, err := s.write.NewDelete().Model((*sessionRow)(nil)).Where("id = ?", id).Exec(ctx)
	return s.explain("end a session", err)
}
