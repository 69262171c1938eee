package approve

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// Waker wakes what waits for an approval. Its approval is decided; one that is told twice is told the same. An error is logged: who waits
// looks now and then for itself.
type Waker interface {
	Wake(ctx context.Context, a slipway.Approval) error
}

// Config is what a keeper works with.
type Config struct {
	Store  slipway.ApprovalStore
	Events interface { // of [slipway.Store]
		AppendEvent(ctx context.Context, e slipway.Event) (slipway.Event, error)
	}
	Bus   slipway.Bus
	Audit slipway.Recorder // hears what expires; nil: nobody does
	Waker Waker            // nil: nothing waits
	// Against fills in what the image would replace in the environment; nil: whoever asks says so.
	Against func(ctx context.Context, a *slipway.Approval) error
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger
}

// Keeper implements [slipway.Approvals]. Its methods are safe for concurrent use.
type Keeper struct{ Config }

var _ slipway.Approvals = (*Keeper)(nil)

// New returns a keeper. It starts nothing.
func New(cfg Config) *Keeper {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Keeper{cfg}
}

// ID returns the ID of an approval that follows from what it is for: the same whenever a workflow is replayed.
func ID(of string) string {
	sum := sha256.Sum256([]byte(of))
	return "a-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:10]
}

// AskApproval implements [slipway.Approvals].
func (k *Keeper) AskApproval(ctx context.Context, a slipway.Approval) (slipway.Approval, error) {
	a.State, a.Votes, a.Decided = slipway.ApprovalPending, []slipway.Vote{}, time.Time{}
	if a.Asked.IsZero() {
		a.Asked = k.Now().UTC()
	}
	if err := a.Validate(); err != nil {
		return a, err
	}
	_, err := k.Store.Approval(ctx, a.ID)
	fresh := slipway.CodeOf(err) == slipway.NotFound
	if fresh && k.Against != nil && a.Image != "" && a.Environment != "" && a.Against == "" {
		if err := k.Against(ctx, &a); err != nil {
			return a, err
		}
	}
	stored, err := k.Store.CreateApproval(ctx, a)
	if err != nil {
		return stored, err
	}
	if fresh {
		k.tell(ctx, slipway.ApprovalAsked, stored, fmt.Sprintf("%s asks %s: %s", stored.Requester, asked(stored), stored.Message))
	}
	return k.expired(ctx, stored)
}

// Approval implements [slipway.Approvals].
func (k *Keeper) Approval(ctx context.Context, id string) (slipway.Approval, error) {
	a, err := k.Store.Approval(ctx, id)
	if err != nil {
		return a, err
	}
	return k.expired(ctx, a)
}

// ListApprovals implements [slipway.Approvals].
func (k *Keeper) ListApprovals(ctx context.Context, filter slipway.ApprovalFilter, limit int) ([]slipway.Approval, error) {
	listed := []slipway.Approval{}
	for {
		some, err := k.Store.Approvals(ctx, filter, limit)
		if err != nil {
			return nil, err
		}
		for _, a := range some {
			filter.After = slipway.Mark{Time: a.Asked, ID: a.ID}
			if a, err = k.expired(ctx, a); err != nil {
				return nil, err
			}
			if filter.Pending && a.State.Done() {
				continue
			}
			if listed = append(listed, a); len(listed) == limit {
				return listed, nil
			}
		}
		// What has expired is made up for by what comes after it.
		if limit < 1 || len(some) < limit {
			return listed, nil
		}
	}
}

// Vote implements [slipway.Approvals].
func (k *Keeper) Vote(ctx context.Context, id string, approve bool, comment string) (slipway.Approval, error) {
	if err := (slipway.VoteRequest{Comment: comment}).Validate(); err != nil {
		return slipway.Approval{}, err
	}
	a, err := k.Approval(ctx, id)
	if err != nil {
		return a, err
	}
	by := slipway.PrincipalOf(ctx)
	if Said(a, by, approve, comment) {
		return a, nil
	}
	a, err = k.Store.ChangeApproval(ctx, id, func(a *slipway.Approval) error {
		changed, err := Cast(*a, by, approve, comment, k.Now().UTC())
		if err == nil {
			*a = changed
		}
		return err
	})
	if err != nil {
		return a, err
	}
	verb := "approves"
	if !approve {
		verb = "rejects"
	}
	text := fmt.Sprintf("%s %s %s", by.Name, verb, a.ID)
	if comment = strings.TrimSpace(comment); comment != "" {
		text += ": " + comment
	}
	k.tell(ctx, slipway.ApprovalVoted, a, text)
	if a.State.Done() {
		k.decided(ctx, a)
	}
	return a, nil
}

// CancelApproval implements [slipway.Approvals].
func (k *Keeper) CancelApproval(ctx context.Context, id string) error {
	changed := false
	a, err := k.Store.ChangeApproval(ctx, id, func(a *slipway.Approval) error {
		was := a.State
		if *a = Expire(*a, k.Now().UTC()); a.State == slipway.ApprovalPending {
			a.State, a.Decided = slipway.ApprovalCanceled, k.Now().UTC()
		}
		changed = a.State != was
		return nil
	})
	if err == nil && changed {
		k.decided(ctx, a)
	}
	return err
}

// Run expires what is due, though nobody asks for it, until ctx is done.
func (k *Keeper) Run(ctx context.Context) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		if _, err := k.ListApprovals(ctx, slipway.ApprovalFilter{Pending: true}, 0); err != nil && ctx.Err() == nil {
			k.Log.Warn("cannot look for approvals that have expired", "error", err)
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// lookEvery is how often it is looked for what has expired.
const lookEvery = 15 * time.Second

// expired stores that the approval has expired, if it has, and tells of it once.
func (k *Keeper) expired(ctx context.Context, a slipway.Approval) (slipway.Approval, error) {
	if Expire(a, k.Now().UTC()).State == a.State {
		return a, nil
	}
	first := false
	a, err := k.Store.ChangeApproval(ctx, a.ID, func(a *slipway.Approval) error {
		was := a.State
		*a = Expire(*a, k.Now().UTC())
		first = a.State != was
		return nil
	})
	if err == nil && first {
		k.decided(ctx, a)
	}
	return a, err
}

// decided tells everyone, and who waits.
func (k *Keeper) decided(ctx context.Context, a slipway.Approval) {
	ctx = context.WithoutCancel(ctx) // it is stored; whoever has asked may go away now
	text := fmt.Sprintf("%s was %s", a.ID, a.State)
	if a.State == slipway.ApprovalExpired {
		text = fmt.Sprintf("%s expired with %d of %d approvals", a.ID, a.Approved(), a.Needed)
		if err := slipway.Decided(ctx, k.Audit, slipway.AuditEntry{
			Action: "approval.expired", Key: a.ID, Application: a.Application, Environment: a.Environment, Object: a.ID, Reason: text,
		}); err != nil {
			k.Log.Error("cannot write the audit log: that an approval has expired is not in it", "approval", a.ID, "error", err)
		}
	}
	k.tell(ctx, slipway.ApprovalDecided, a, text)
	if k.Waker == nil || a.State == slipway.ApprovalCanceled { // who cancels does not wait any more
		return
	}
	if err := k.Waker.Wake(ctx, a); err != nil {
		k.Log.Warn("cannot wake what waits for an approval; it looks for itself later", "approval", a.ID, "subject", a.Subject, "error", err)
	}
}

// tell stores an event and sends it to whoever listens. What it tells of does not fail because nobody could be told.
func (k *Keeper) tell(ctx context.Context, kind slipway.EventKind, a slipway.Approval, message string) {
	e := slipway.Event{Time: k.Now().UTC(), Kind: kind, Message: message, Application: a.Application, Environment: a.Environment}
	e.Data, _ = json.Marshal(a) // the domain's types always can be
	switch {
	case strings.HasPrefix(a.Subject, "x-"):
		e.Execution = a.Subject
	case strings.HasPrefix(a.Subject, "d-"):
		e.Deployment = a.Subject
	}
	e, err := k.Events.AppendEvent(ctx, e)
	if err == nil {
		err = k.Bus.Publish(ctx, e)
	}
	if err != nil {
		k.Log.Warn("cannot publish event", "kind", kind, "error", err)
	}
}

// asked says whose answers are wanted: "2 of ann, ops", "1 approver of hello in prod".
func asked(a slipway.Approval) string {
	if len(a.From) > 0 {
		return fmt.Sprintf("%d of %s", a.Needed, strings.Join(a.From, ", "))
	}
	if a.Needed == 1 {
		return "an approver of " + place(a)
	}
	return fmt.Sprintf("%d approvers of %s", a.Needed, place(a))
}

func place(a slipway.Approval) string {
	if a.Environment == "" {
		return a.Application
	}
	return a.Application + " in " + a.Environment
}
