package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/audit"
)

var _ slipway.AuditLog = (*Store)(nil)

type auditRow struct {
	bun.BaseModel `bun:"table:audit"`
	Seq           int64  `bun:"seq,pk"`
	Time          int64  `bun:"time"`
	Key           string `bun:"key"`
	Principal     string `bun:"principal"`
	Action        string `bun:"action"`
	Application   string `bun:"application"`
	Environment   string `bun:"environment"`
	Object        string `bun:"object"`
	Failed        int64  `bun:"failed"`
	Line          string `bun:"line"`
}

func (r auditRow) document() string { return r.Line }

// auditBatch is how many entries one transaction adds at most.
const auditBatch = 200

// auditQueue has those who add entries at the same time share one transaction, and its wait for the disk: the first of them writes for all.
type auditQueue struct {
	mu      sync.Mutex
	waiting []*auditTurn
	writing bool
}

type auditTurn struct {
	entry slipway.AuditEntry
	err   error
	done  chan struct{}
}

// AppendAudit implements [slipway.AuditLog].
func (s *Store) AppendAudit(ctx context.Context, e slipway.AuditEntry) (slipway.AuditEntry, error) {
	if _, _, err := audit.Seal(slipway.AuditHead{}, e); err != nil { // before it can fail those that share its transaction
		return slipway.AuditEntry{}, err
	}
	turn := &auditTurn{entry: e, done: make(chan struct{})}
	q := &s.audit
	q.mu.Lock()
	q.waiting = append(q.waiting, turn)
	first := !q.writing
	q.writing = true
	q.mu.Unlock()
	if first {
		go s.writeAudit(context.WithoutCancel(ctx)) // for all, so it does not end with one of them
	}
	select {
	case <-turn.done:
		return turn.entry, s.explain("write the audit log", turn.err)
	case <-ctx.Done():
		return slipway.AuditEntry{}, s.explain("write the audit log", context.Cause(ctx))
	}
}

// writeAudit adds what waits until nothing does.
func (s *Store) writeAudit(ctx context.Context) {
	q := &s.audit
	for {
		q.mu.Lock()
		batch := q.waiting[:min(len(q.waiting), auditBatch)]
		q.waiting = q.waiting[len(batch):]
		if len(batch) == 0 {
			q.waiting, q.writing = nil, false
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
		s.appendAudit(ctx, batch)
	}
}

// appendAudit adds the batch, all or nothing.
func (s *Store) appendAudit(ctx context.Context, batch []*auditTurn) {
	sealed := make([]slipway.AuditEntry, len(batch))
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		var head slipway.AuditHead
		// The number moves first: that keeps every other process from going on from the same entry.
		err := tx.NewRaw(`UPDATE audit_head SET seq = seq + ? WHERE id = 1 RETURNING seq, hash`, len(batch)).Scan(ctx, &head.Seq, &head.Hash)
		if err != nil {
			return err
		}
		head.Seq -= int64(len(batch))
		now := time.Now().UTC()
		for i, turn := range batch {
			e := turn.entry
			key := decisionKey(e)
			if key != "" {
				switch known, err := auditByKey(ctx, tx, key); {
				case err == nil:
					sealed[i] = known
					continue
				case !errors.Is(err, sql.ErrNoRows):
					return err
				}
			}
			e.Time = now
			var line string
			if sealed[i], line, err = audit.Seal(head, e); err != nil {
				return err
			}
			head = slipway.AuditHead{Seq: sealed[i].Seq, Hash: sealed[i].Hash}
			if _, err := tx.NewInsert().Model(&auditRow{
				Seq: head.Seq, Time: now.UnixNano(), Key: key, Principal: column(e.By.Name), Action: column(e.Action),
				Application: column(e.Application), Environment: column(e.Environment), Object: column(e.Object), Failed: failed(e), Line: line,
			}).Exec(ctx); err != nil {
				return err
			}
		}
		_, err = tx.NewRaw(`UPDATE audit_head SET seq = ?, hash = ? WHERE id = 1`, head.Seq, head.Hash).Exec(ctx)
		return err
	})
	for i, turn := range batch {
		turn.entry, turn.err = sealed[i], err
		if err != nil {
			turn.entry = slipway.AuditEntry{}
		}
		close(turn.done)
	}
}

func auditByKey(ctx context.Context, db bun.IDB, key string) (e slipway.AuditEntry, err error) {
	var line string
	if err := db.NewRaw(`SELECT line FROM audit WHERE key = ?`, key).Scan(ctx, &line); err != nil {
		return e, err
	}
	return e, json.Unmarshal([]byte(line), &e)
}

// decisionKey tells decisions apart, "" for all other entries.
func decisionKey(e slipway.AuditEntry) string {
	if e.Phase != slipway.AuditDecided || e.Key == "" {
		return ""
	}
	return column(e.Action + " " + e.Key)
}

// column returns text as any database takes it into an index. What is in the line is whole.
func column(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "�"), "\x00", "�")
	return strings.ToValidUTF8(text[:min(len(text), 500)], "")
}

func failed(e slipway.AuditEntry) int64 {
	if e.Code != "" || e.Phase == slipway.AuditRefused {
		return 1
	}
	return 0
}

// AuditEntries implements [slipway.AuditLog].
func (s *Store) AuditEntries(ctx context.Context, f slipway.AuditFilter, limit int) ([]slipway.AuditEntry, error) {
	return list[auditRow, slipway.AuditEntry](ctx, s, s.read, "the audit log", func(q *bun.SelectQuery) *bun.SelectQuery {
		q = is(is(is(q, "application", f.Application), "environment", f.Environment), "principal", f.By)
		q = is(is(q, "action", f.Action), "object", f.Object)
		if !f.Since.IsZero() {
			q = q.Where("time >= ?", f.Since.UnixNano())
		}
		if !f.Until.IsZero() {
			q = q.Where("time < ?", f.Until.UnixNano())
		}
		if f.Failed {
			q = q.Where("failed = 1")
		}
		if !f.Uploads && f.Action == "" {
			q = q.Where("(action <> ? OR failed = 1)", slipway.AuditUpload)
		}
		if f.Before > 0 {
			q = q.Where("seq < ?", f.Before)
		}
		if q = q.Order("seq DESC"); limit > 0 {
			q = q.Limit(limit)
		}
		return q
	})
}

// AuditLines implements [slipway.AuditLog].
func (s *Store) AuditLines(ctx context.Context, after int64, limit int) ([]string, error) {
	var lines []string
	err := s.read.NewRaw(`SELECT line FROM audit WHERE seq > ? ORDER BY seq LIMIT ?`, after, limit).Scan(ctx, &lines)
	return lines, s.explain("read the audit log", err)
}

// AuditHead implements [slipway.AuditLog].
func (s *Store) AuditHead(ctx context.Context) (slipway.AuditHead, error) {
	var head slipway.AuditHead
	err := s.read.NewRaw(`SELECT seq, hash FROM audit_head WHERE id = 1`).Scan(ctx, &head.Seq, &head.Hash)
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("the end of the chain is not noted: %w", err)
	}
	return head, s.explain("read the audit log", err)
}
