package slipway

import (
	"errors"
	"fmt"
)

// Code says what kind of failure an [Error] is. Clients branch on codes, people read messages.
type Code string

// The codes an application error can have.
const (
	Invalid         Code = "invalid"         // the caller's input is wrong; sending it again will not help
	NotFound        Code = "not_found"       // the thing named does not exist
	Conflict        Code = "conflict"        // it clashes with something that exists or is under way
	Refused         Code = "refused"         // a safety rule forbids it
	Unauthenticated Code = "unauthenticated" // it is not certain who asks
	Forbidden       Code = "forbidden"       // who asks may not do that
	Unprepared      Code = "unprepared"      // the host lacks something: a program, a privilege, space
	Corrupt         Code = "corrupt"         // stored bytes are not the bytes that were stored
	Failed          Code = "failed"          // the work was done properly and its outcome is negative: a test failed, a script exited non-zero
	DeadlinePast    Code = "deadline"        // it did not finish in the time it was given
	Unmeasured      Code = "unmeasured"      // what was to decide could not be measured: it is neither good nor bad
	Unavailable     Code = "unavailable"     // a part that is needed does not answer; later may work
	Internal        Code = "internal"        // a bug or an unforeseen failure of the host; logged, not shown in detail
	ClosedByAbort   Code = "aborted"         // a person or a newer request ended it
	Stale           Code = "stale"           // what was to be changed is not what it was when the caller read it
)

// Codes lists every code, and what it says.
var Codes = []struct {
	Code Code
	Says string
}{
	{Invalid, "the input is wrong; sending it again will not help"},
	{NotFound, "the thing named does not exist"},
	{Conflict, "it clashes with something that exists or is under way"},
	{Stale, "what was to be changed is not what it was when it was read: read it again"},
	{Refused, "a safety rule forbids it"},
	{Unauthenticated, "it is not certain who asks: log in, or show a token that is good"},
	{Forbidden, "who asks may not do that"},
	{Failed, "the work was done properly and its outcome is negative"},
	{ClosedByAbort, "a person or a newer request ended it"},
	{Unprepared, "the host lacks something: a program, a privilege, space"},
	{Unavailable, "a part that is needed does not answer; later may work"},
	{Unmeasured, "what was to decide could not be measured"},
	{DeadlinePast, "it did not finish in the time it was given"},
	{Corrupt, "stored bytes are not the bytes that were stored"},
	{Internal, "a bug or an unforeseen failure of the host; slipwayd's log has the details"},
}

// Error is a failure that may be shown to a user. Every other error is internal: it is logged in full and shown as such.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`         // starts with "cannot …: …" and says what to do where that is known
	Place   string `json:"place,omitempty"` // where: "slipway.yaml:12:5", "image.layers[2].copy.from", "archive entry ../etc/passwd"
	Err     error  `json:"-"`               // the cause, for logs and errors.Is
}

// Error implements error.
func (e *Error) Error() string {
	if e.Place != "" {
		return e.Place + ": " + e.Message
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an [Error]. Like fmt.Errorf it keeps an operand of %w as the cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Err: errors.Unwrap(err)}
}

// At returns a copy of e that names place.
func (e *Error) At(place string) *Error {
	c := *e
	c.Place = place
	return &c
}

// CodeOf returns the code of the first [Error] in err's chain, Internal for any other error, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}

// MessageOf returns the text of the first [Error] in err's chain. For any other error it returns a text that gives nothing away.
func MessageOf(err error) string {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Error()
	}
	return "internal error; slipwayd's log has the details"
}
