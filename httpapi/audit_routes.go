package httpapi

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/audit"
)

// auditPage is how many entries are read from the store at once.
const auditPage = 1000

type auditInput struct {
	Application string    `query:"application" doc:"Only what was about this application."`
	Environment string    `query:"environment" doc:"Only what was about this environment."`
	By          string    `query:"by" doc:"Only what this principal did." example:"ann@example.com"`
	Action      string    `query:"action" doc:"Only this action: the operation ID of a route, or the kind of a decision." example:"deploy"`
	Object      string    `query:"object" doc:"Only what was done to the thing with this ID or name." example:"d-53xhm4qzmc"`
	Since       time.Time `query:"since" doc:"Only from this time on."`
	Until       time.Time `query:"until" doc:"Only before this time."`
	Failed      bool      `query:"failed" doc:"Only what was refused or failed."`
	Uploads     bool      `query:"uploads" doc:"Also uploads of content that went well."`
	Before      int64     `query:"before" minimum:"0" doc:"Only entries with a smaller seq."`
	PageInput
}

func (a *api) listAudit(ctx context.Context, in *auditInput) (*listOutput[slipway.AuditEntry], error) {
	filter := slipway.AuditFilter{
		Application: in.Application, Environment: in.Environment, By: in.By, Action: in.Action, Object: in.Object,
		Since: in.Since, Until: in.Until, Failed: in.Failed, Uploads: in.Uploads, Before: in.Before,
	}
	return paged(a.page(ctx, &in.PageInput), func(after slipway.Mark, limit int) ([]slipway.AuditEntry, error) {
		seq, err := seqOf(after)
		if err != nil {
			return nil, err
		}
		if seq > 0 && (filter.Before == 0 || seq < filter.Before) {
			filter.Before = seq
		}
		return a.Audit.AuditEntries(ctx, filter, limit)
	}, func(e slipway.AuditEntry) slipway.Mark { return seqMark(e.Seq) })
}

type exportInput struct {
	After int64 `query:"after" minimum:"0" doc:"Only entries with a greater seq."`
}

// export answers 200 with one JSON object a line.
func export[I any](f function[I, huma.StreamResponse]) handler {
	return form(f, handler{status: http.StatusOK, types: []string{transferLines}})
}

func (a *api) exportAudit(ctx context.Context, in *exportInput) (*huma.StreamResponse, error) {
	head, err := a.Audit.AuditHead(ctx)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		out := newFlow(c, transferLines)
		for after := in.After; after < head.Seq; {
			lines, err := a.Audit.AuditLines(ctx, after, int(min(auditPage, head.Seq-after)))
			if err != nil || len(lines) == 0 {
				if ctx.Err() == nil {
					// The answer is a success already. Whoever verifies it finds that it ends too early.
					a.Log.Error("an export of the audit log ends early", "after", after, "head", head.Seq, "error", err)
				}
				return
			}
			if _, err := io.WriteString(out, strings.Join(lines, "\n")+"\n"); err != nil {
				return
			}
			last, err := audit.Open(lines[len(lines)-1])
			if last.Seq <= after {
				a.Log.Error("an export of the audit log ends early: an entry is damaged", "after", after, "error", err)
				return
			}
			after = last.Seq
		}
	}}, nil
}

func (a *api) auditCheckpoint(ctx context.Context, _ *struct{}) (*output[json.RawMessage], error) {
	head, err := a.Audit.AuditHead(ctx)
	if err != nil {
		return nil, err
	}
	if head.Seq == 0 {
		head.Hash = audit.Origin
	}
	text, err := audit.Sign(audit.Checkpoint{Seq: head.Seq, Hash: head.Hash, Time: time.Now().UTC().Truncate(time.Second)}, a.Checkpoint)
	return found(json.RawMessage(text), err)
}
