// Package approve asks people, and counts what they answer. [Cast] and [Expire] are the rules; a [Keeper] keeps the questions by them, and
// wakes who waits; [Await] is how a workflow waits.
package approve

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// Expire returns the approval as it is at the time: one that is pending and whose time is over is expired.
func Expire(a slipway.Approval, now time.Time) slipway.Approval {
	if a.State == slipway.ApprovalPending && !now.Before(a.Expires) {
		a.State, a.Decided = slipway.ApprovalExpired, a.Expires
	}
	return a
}

// Cast returns the approval with a person's answer, and what that makes of it:
//
//   - what is decided stays as it is: Conflict. So does what has expired;
//   - the requester's answer does not count, whatever case the name is written in: Refused. Nor does slipwayd's own;
//   - if it says from whom answers are wanted, nobody else's counts: Refused;
//   - a person's second answer replaces the first: nobody is counted twice;
//   - one rejection rejects; so many approvals as are needed grant.
//
// It is pure, and changes nothing that a refers to. With an error the approval is returned as it is.
func Cast(a slipway.Approval, by slipway.Principal, approve bool, comment string, now time.Time) (slipway.Approval, error) {
	if a = Expire(a, now); a.State.Done() {
		return a, over(a)
	}
	if err := Counts(a, by); err != nil {
		return a, err
	}
	comment = strings.TrimSpace(comment)
	if comment == "" && a.Comment {
		return a, slipway.Errorf(slipway.Invalid, "cannot answer %s without a comment: say why, for whoever asks later", a.ID).At("comment")
	}
	if comment == "" && !approve {
		return a, slipway.Errorf(slipway.Invalid, "cannot reject %s without a comment: say why, for who asked", a.ID).At("comment")
	}
	vote := slipway.Vote{By: by.Name, Approve: approve, Comment: comment, At: now}
	a.Votes = append(slices.DeleteFunc(slices.Clone(a.Votes), func(v slipway.Vote) bool { return same(v.By, vote.By) }), vote)
	switch {
	case !approve:
		a.State, a.Decided = slipway.ApprovalRejected, now
	case a.Approved() >= a.Needed:
		a.State, a.Decided = slipway.ApprovalGranted, now
	}
	return a, nil
}

// Said reports whether the person's answer to an approval is just this one already: what is said again changes nothing.
func Said(a slipway.Approval, by slipway.Principal, approve bool, comment string) bool {
	stands := a.State == slipway.ApprovalPending || a.State == slipway.ApprovalGranted || a.State == slipway.ApprovalRejected
	return stands && slices.ContainsFunc(a.Votes, func(v slipway.Vote) bool {
		return v.By == by.Name && v.Approve == approve && v.Comment == strings.TrimSpace(comment)
	})
}

// Counts returns nil if the person's answer counts, and Refused with the reason if not.
func Counts(a slipway.Approval, by slipway.Principal) error {
	switch {
	case by.Kind == slipway.PrincipalSystem || by.Name == "":
		return slipway.Errorf(slipway.Refused, "cannot answer %s: it wants a person, and it is not known who asks", a.ID)
	case same(by.Name, a.Requester):
		return slipway.Errorf(slipway.Refused, "cannot answer %s: %s has asked for it, and somebody else must answer", a.ID, by.Name)
	case len(a.From) > 0 && !slices.ContainsFunc(a.From, func(name string) bool { return name == by.Name || slices.Contains(by.Groups, name) }):
		return slipway.Errorf(slipway.Refused, "cannot answer %s: it wants the answer of %s, and %s is none of them", a.ID, strings.Join(a.From, ", "), by.Name)
	}
	return nil
}

// over is the error of answering what is decided.
func over(a slipway.Approval) *slipway.Error {
	what := map[slipway.ApprovalState]string{
		slipway.ApprovalGranted:  "it was granted",
		slipway.ApprovalRejected: "it was rejected",
		slipway.ApprovalExpired:  fmt.Sprintf("it expired at %s", a.Expires.UTC().Format("2006-01-02 15:04:05 MST")),
		slipway.ApprovalCanceled: fmt.Sprintf("%s, which it was asked for, is over", a.Subject),
	}[a.State]
	return slipway.Errorf(slipway.Conflict, "cannot answer %s: %s", a.ID, what)
}

// same reports whether two names are of one person: an identity provider may not write a name the same every time.
func same(a, b string) bool { return strings.EqualFold(a, b) }
