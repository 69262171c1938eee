package sqlstore

import (
	"context"
	"encoding/json"
	"time"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
)

var _ slipway.RequestKeys = (*Store)(nil)

type requestRow struct {
	bun.BaseModel `bun:"table:request_keys"`
	Principal     string `bun:"principal,pk"`
	Key           string `bun:"request_key,pk"`
	Digest        string `bun:"digest"`
	Holder        string `bun:"holder"`
	Until         int64  `bun:"until"`
	Status        int    `bun:"status"`
	Answer        string `bun:"answer"`
}

// ClaimRequest implements [slipway.RequestKeys].
func (s *Store) ClaimRequest(ctx context.Context, claim slipway.RequestClaim) (*slipway.RequestAnswer, error) {
	var answer *slipway.RequestAnswer
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewDelete().Model((*requestRow)(nil)).Where("until < ?", time.Now().UnixNano()).Exec(ctx); err != nil {
			return err
		}
		made, err := tx.NewInsert().Model(&requestRow{
			Principal: claim.Principal, Key: claim.Key, Digest: string(claim.Digest), Holder: claim.Holder, Until: claim.Until.UnixNano(),
		}).On("CONFLICT (principal, request_key) DO NOTHING").Exec(ctx)
		if err != nil {
			return err
		}
		if n, err := made.RowsAffected(); err != nil || n > 0 {
			return err
		}
		var row requestRow
		if err := tx.NewSelect().Model(&row).Where("principal = ? AND request_key = ?", claim.Principal, claim.Key).Scan(ctx); err != nil {
			return err
		}
		switch {
		case row.Digest != string(claim.Digest):
			return slipway.Errorf(slipway.Invalid, "cannot use the key %q for this request: it was used for another one; use a new key", claim.Key)
		case row.Status == 0:
			return slipway.Errorf(slipway.Conflict, "cannot begin this request: the same one is under way; ask again in a moment")
		}
		answer = &slipway.RequestAnswer{}
		return json.Unmarshal([]byte(row.Answer), answer)
	})
	if err != nil {
		return nil, s.explain("remember a request", err)
	}
	return answer, nil
}

// RenewRequest implements [slipway.RequestKeys].
func (s *Store) RenewRequest(ctx context.Context, claim slipway.RequestClaim) error {
	return s.holdRequest(ctx, claim, func(q *bun.UpdateQuery) *bun.UpdateQuery { return q })
}

// AnswerRequest implements [slipway.RequestKeys].
func (s *Store) AnswerRequest(ctx context.Context, claim slipway.RequestClaim, answer slipway.RequestAnswer) error {
	d, err := encode(answer)
	if err != nil {
		return err
	}
	return s.holdRequest(ctx, claim, func(q *bun.UpdateQuery) *bun.UpdateQuery {
		return q.Set("status = ?", answer.Status).Set("answer = ?", d.Doc)
	})
}

// ReleaseRequest implements [slipway.RequestKeys].
func (s *Store) ReleaseRequest(ctx context.Context, claim slipway.RequestClaim) error {
	_, err := s.write.NewDelete().Model((*requestRow)(nil)).
		Where("principal = ? AND request_key = ? AND holder = ? AND status = 0", claim.Principal, claim.Key, claim.Holder).Exec(ctx)
	return s.explain("forget a request", err)
}

// holdRequest changes the row of a claim that is held.
func (s *Store) holdRequest(ctx context.Context, claim slipway.RequestClaim, change func(*bun.UpdateQuery) *bun.UpdateQuery) error {
	done, err := s.write.NewUpdate().Model((*requestRow)(nil)).Set("until = ?", claim.Until.UnixNano()).Apply(change).
		Where("principal = ? AND request_key = ? AND holder = ? AND status = 0", claim.Principal, claim.Key, claim.Holder).Exec(ctx)
	if err != nil {
		return s.explain("remember a request", err)
	}
	if n, err := done.RowsAffected(); err != nil || n > 0 {
		return s.explain("remember a request", err)
	}
	return slipway.Errorf(slipway.NotFound, "cannot find the request: another has taken its key over")
}
