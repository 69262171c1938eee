package slipway

import (
	"context"
	"time"
)

// ApprovalState says what has become of an approval.
type ApprovalState string

// The states of an approval.
const (
	ApprovalPending  ApprovalState = "pending"
	ApprovalGranted  ApprovalState = "granted"
	ApprovalRejected ApprovalState = "rejected" // by one vote
	ApprovalExpired  ApprovalState = "expired"  // not enough people approved in time
	ApprovalCanceled ApprovalState = "canceled" // what it was asked for is over
)

// Done reports whether s is final.
func (s ApprovalState) Done() bool { return s != ApprovalPending }

// Approval is a question to people, and their answers. A promotion or a stage of a pipeline waits for it.
type Approval struct {
	ID          string `json:"id"` // "a-…"; chosen by who asks, so that asking again after a lost reply asks once
	Application string `json:"application"`
	Environment string `json:"environment,omitempty"`
	Subject     string `json:"subject"` // the ID of what waits: an execution, a promotion or a deployment
	Message     string `json:"message"` // what is asked
	Image       Digest `json:"image,omitempty"`
	Against     Digest `json:"against,omitempty"` // what served there when it was asked, which Image is to replace; empty: nothing did
	// Config is the version of the service configuration that machines there are told if it goes on, and ConfigAgainst the one that what served had
	// been told; 0: none.
	Config        int           `json:"config,omitempty"`
	ConfigAgainst int           `json:"config_against,omitempty"`
	Needed        int           `json:"needed"`            // so many must approve; 1 rejection rejects
	From          []string      `json:"from,omitempty"`    // names or groups of principals whose votes count; empty: everyone who is an approver there
	Comment       bool          `json:"comment,omitempty"` // a vote wants a comment
	Requester     string        `json:"requester"`         // whose vote does not count
	Asked         time.Time     `json:"asked"`
	Expires       time.Time     `json:"expires"`
	Votes         []Vote        `json:"votes"`
	State         ApprovalState `json:"state"`
	Decided       time.Time     `json:"decided,omitzero"` // when it became what it is
}

// Approved counts the people who have approved.
func (a Approval) Approved() int {
	n := 0
	for _, v := range a.Votes {
		if v.Approve {
			n++
		}
	}
	return n
}

// Vote is one person's answer.
type Vote struct {
	By      string    `json:"by"`
	Approve bool      `json:"approve"`
	Comment string    `json:"comment,omitempty"`
	At      time.Time `json:"at"`
}

// ApprovalFilter selects approvals. Zero fields select all.
type ApprovalFilter struct {
	Application string
	Environment string
	Subject     string
	Pending     bool // only those that wait
	After       Mark // only those that come after it; an approval's time is when it was asked
}

// VoteRequest is an answer to an approval. By is heeded of those alone who reach slipwayd as the host's root: all others are who they have
// shown to be.
type VoteRequest struct {
	Approve bool   `json:"approve"`
	Comment string `json:"comment,omitempty"`
	By      string `json:"by,omitempty"`
}

// Approvals keeps the questions that people are asked. Methods are safe for concurrent use.
type Approvals interface {
	// AskApproval stores a pending approval, and returns it. One of the same ID is returned as it is. Invalid if nobody could ever grant it.
	AskApproval(ctx context.Context, a Approval) (Approval, error)
	// Approval returns an approval; one whose time is over is expired.
	Approval(ctx context.Context, id string) (Approval, error)
	// ListApprovals returns approvals, newest first, without bound for a limit below 1.
	ListApprovals(ctx context.Context, filter ApprovalFilter, limit int) ([]Approval, error)
	// Vote adds the answer of the principal whose request ctx is of. A second one of the same person replaces the first while the approval is
	// pending. Conflict if it is over, Refused if that person's vote does not count.
	Vote(ctx context.Context, id string, approve bool, comment string) (Approval, error)
	// CancelApproval ends a pending approval whose subject is over; nil if it is over already.
	CancelApproval(ctx context.Context, id string) error
}

// ApprovalStore keeps the records of approvals. Methods are safe for concurrent use; what they have written is durable when they return.
type ApprovalStore interface {
	// CreateApproval stores a new approval and returns it. One of the same ID is left and returned as it is.
	CreateApproval(ctx context.Context, a Approval) (Approval, error)
	// Approval returns an approval as it is stored; NotFound if there is none.
	Approval(ctx context.Context, id string) (Approval, error)
	// Approvals returns approvals as they are stored, newest first; without bound for a limit below 1.
	Approvals(ctx context.Context, filter ApprovalFilter, limit int) ([]Approval, error)
	// ChangeApproval stores what change makes of an approval, and returns that. Of many at once each sees what the one before it has stored; so
	// change may be called several times. If it returns an error nothing is stored, and that error is returned with the approval as it is.
	ChangeApproval(ctx context.Context, id string, change func(*Approval) error) (Approval, error)
}
