package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
)

// The exit statuses. exitHelp says what they mean.
const (
	exitGood        = 0
	exitError       = 1
	exitUsage       = 2
	exitRolledBack  = 3
	exitNotFound    = 4
	exitConflict    = 5
	exitAborted     = 6
	exitBakeFailed  = 7
	exitAttention   = 8
	exitUnreachable = 9
	exitUnclear     = 10
	exitUnknown     = 11
	exitForbidden   = 12
	exitDetached    = 130
)

const exitHelp = `Every command ends with one of these exit statuses. A command that waits for a bake, a
deployment or a whole ship ends with what came of it.

  0    everything asked for was done
  1    an error that is none of the following; slipwayd's log may say more
  2    the command line, slipway.yaml or another input is wrong
  3    the deployment failed and was rolled back: what served before serves now
  4    something named does not exist: an application, an environment, an image, an instance, a file
  5    it clashes with what is under way, or a safety rule forbids it
  6    it was aborted, and undone
  7    the bake, a test of the image or an analysis failed
  8    the deployment failed and could not be undone: a person must look
  9    slipwayd cannot be reached, or went away before it answered
  10   an analysis came to no clear verdict: the score is marginal, or there are too few samples
  11   slipwayd does not know who asks: log in, or give a token that is good
  12   who asks may not do that
  130  interrupted by Ctrl-C or SIGTERM; work that slipwayd has accepted goes on

With --no-wait, 0 means that slipwayd has accepted the work.`

// outcome is the negative end of work that was done properly.
type outcome struct {
	exit    int
	message string
}

func (o *outcome) Error() string { return o.message }

// usageError is a mistake in the command line.
type usageError struct{ error }

func newExitCodes() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "What the exit statuses mean", Long: exitHelp}
}

// exitOf maps an error to the exit status. It is the only place that does.
func exitOf(err error) int {
	var o *outcome
	var usage usageError
	switch {
	case err == nil:
		return exitGood
	case errors.As(err, &o):
		return o.exit
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, errInterrupted):
		return exitDetached
	}
	switch slipway.CodeOf(err) {
	case slipway.Invalid:
		return exitUsage
	case slipway.NotFound:
		return exitNotFound
	case slipway.Conflict, slipway.Refused:
		return exitConflict
	case slipway.Unauthenticated:
		return exitUnknown
	case slipway.Forbidden:
		return exitForbidden
	case slipway.ClosedByAbort:
		return exitAborted
	case slipway.Failed:
		return exitBakeFailed
	case slipway.Unavailable:
		return exitUnreachable
	}
	return exitError
}

// report prints err, and every error joined in it, to f.Err: as text, or with --json as one object a line.
func (f *Factory) report(err error) {
	if errors.Is(err, errInterrupted) || errors.Is(err, context.Canceled) {
		return
	}
	if o, ok := errors.AsType[*outcome](err); ok && o.message == "" {
		return // a program has ended badly, and has said itself what there is to say
	}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		for _, err := range joined.Unwrap() {
			f.report(err)
		}
		return
	}
	if f.json {
		e := &slipway.Error{Code: slipway.Internal, Message: err.Error()}
		var usage usageError
		var o *outcome
		switch {
		case errors.As(err, &usage):
			e.Code = slipway.Invalid
		case errors.As(err, &o):
			e.Code = slipway.Failed
			if o.exit == exitAborted {
				e.Code = slipway.ClosedByAbort
			}
		}
		errors.As(err, &e)
		b, _ := json.Marshal(map[string]*slipway.Error{"error": e}) // three strings always can be
		fmt.Fprintf(f.Err, "%s\n", b)
		return
	}
	fmt.Fprintf(f.Err, "slipway: %s\n", strings.TrimRight(err.Error(), "\n"))
}
