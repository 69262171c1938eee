package slipway

import (
	"context"
	"encoding/json"
	"time"
)

// AuditPhase says what an entry of the audit log tells.
type AuditPhase string

// The phases. What is asked for leaves two entries, "asked" before anything is changed and "done" with what came of it; or, if it was
// not even begun, "refused" alone.
const (
	AuditAsked   AuditPhase = "asked"   // somebody asks for something, and it is about to be done
	AuditDone    AuditPhase = "done"    // what came of it, good or bad
	AuditRefused AuditPhase = "refused" // it was turned away: forbidden, malformed, by nobody who is known
	AuditDecided AuditPhase = "decided" // slipwayd did something by itself
)

// AuditEntry is one line of the audit log. Entries are numbered without gaps, each holds the hash of the one before it, and none is ever
// changed or removed. What is secret is not in them.
type AuditEntry struct {
	Seq   int64      `json:"seq"`
	Time  time.Time  `json:"time"`
	Phase AuditPhase `json:"phase"`
	// Asked is the seq of the entry that this one tells the end of.
	Asked int64 `json:"asked,omitempty"`
	// Key is what a decision was made about. Another of the same action and key is the same decision, told again.
	Key    string    `json:"key,omitempty"`
	By     Principal `json:"by"`
	Client string    `json:"client,omitempty"` // the program that asked, as it calls itself

	Action string `json:"action"`           // a route's id, such as "deploy"; or of a decision its kind, such as "deployment.back"
	Method string `json:"method,omitempty"` // of the request
	Path   string `json:"path,omitempty"`

	Application string          `json:"application,omitempty"`
	Environment string          `json:"environment,omitempty"`
	Object      string          `json:"object,omitempty"` // the ID or name of what it is done to
	Reason      string          `json:"reason,omitempty"`
	Input       json.RawMessage `json:"input,omitempty"`  // what was asked for; long lists are cut
	Before      json.RawMessage `json:"before,omitempty"` // the object as it was; of one that is long its digest
	After       json.RawMessage `json:"after,omitempty"`  // the object as it is then, or what was answered
	Changes     []AuditChange   `json:"changes,omitempty"`

	Status  int    `json:"status,omitempty"` // of the answer
	Code    Code   `json:"code,omitempty"`   // of the failure; none of a success
	Message string `json:"message,omitempty"`
	Place   string `json:"place,omitempty"`
	// Count is how many were turned away of which this entry tells, if it is not of one: of an address, by nobody who is known, within a minute.
	Count int `json:"count,omitempty"`

	Previous string `json:"previous"` // the hash of the entry before; of the first 64 zeros
	Hash     string `json:"hash,omitempty"`
}

// AuditChange is one difference between Before and After.
type AuditChange struct {
	Path   string          `json:"path"` // "state", "votes[1].by"
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// AuditHead is where the audit log ends.
type AuditHead struct {
	Seq  int64  `json:"seq"`  // of the last entry; 0 if there is none
	Hash string `json:"hash"` // of the last entry
}

// AuditFilter selects entries. Zero fields select all.
type AuditFilter struct {
	Application string
	Environment string
	By          string // a principal's name
	Action      string
	Object      string
	Since       time.Time
	Until       time.Time
	Failed      bool  // only what was refused or failed
	Uploads     bool  // also uploads of content that went well; there are many, and without a bake they mean nothing
	Before      int64 // only entries with a smaller seq; to page with
}

// AuditUpload is the action of uploads of content.
const AuditUpload = "putBlob"

// AuditLog keeps who did what. Methods are safe for concurrent use, also by several processes on one database.
type AuditLog interface {
	// AppendAudit adds an entry at the end of the chain and returns it with its Seq, Time, Previous and Hash, which are set here. When it
	// returns, the entry is durable. A decision whose action and key the log has is returned as it is. Without an error the entry is in
	// the log; with one it may be.
	AppendAudit(ctx context.Context, e AuditEntry) (AuditEntry, error)
	// AuditEntries returns entries, newest first; without bound for a limit below 1.
	AuditEntries(ctx context.Context, filter AuditFilter, limit int) ([]AuditEntry, error)
	// AuditLines returns up to limit entries with a greater seq in order, each exactly as it was hashed: see docs/security.md.
	AuditLines(ctx context.Context, after int64, limit int) ([]string, error)
	// AuditHead returns where the log ends, by what was noted when the last entry was added.
	AuditHead(ctx context.Context) (AuditHead, error)
}

// Recorder notes what slipwayd decides by itself; every [AuditLog] does.
type Recorder interface {
	AppendAudit(ctx context.Context, e AuditEntry) (AuditEntry, error)
}

// Decided records a decision of slipwayd's own, once for its action and key. Nothing is recorded without a recorder.
func Decided(ctx context.Context, r Recorder, e AuditEntry) error {
	if r == nil {
		return nil
	}
	e.Phase, e.By = AuditDecided, Principal{Kind: PrincipalSystem, Name: "slipwayd"}
	_, err := r.AppendAudit(ctx, e)
	return err
}
