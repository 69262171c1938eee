package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
	"github.com/slipway-sh/slipway/webhook"
)

func newTriggerTest(f *Factory) *cobra.Command {
	var event, file string
	c := triggerVerb(f, "test TRIGGER", "Say what a webhook would start, without starting it",
		`Say what would happen if a webhook with the payload came in. Its signature is not looked at, and nothing is done. Of a
time of day it says when it comes.

The exit status is 0 if the trigger would fire, 1 if not.`, func(ctx context.Context, c *client.Client, t slipway.Trigger) error {
			payload, err := f.payload(file)
			if err != nil {
				return err
			}
			test, err := c.TestTrigger(ctx, t.ID, event, payload)
			if err != nil {
				return err
			}
			return f.triggerTest(t, test)
		})
	c.Example = "  slipway trigger test hello/ci --event push --payload push.json"
	c.Flags().StringVar(&event, "event", "push", "what GitHub calls the event")
	c.Flags().StringVar(&file, "payload", "", "`file` with the webhook's body, - for stdin")
	return c
}

func (f *Factory) payload(file string) ([]byte, error) {
	switch file {
	case "":
		return nil, nil
	case "-":
		return io.ReadAll(io.LimitReader(f.In, webhook.MaxBody+1))
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, slipway.Errorf(slipway.Invalid, "cannot read the payload: %w", err)
	}
	return b, nil
}

func (f *Factory) triggerTest(t slipway.Trigger, test slipway.TriggerTest) error {
	var outcomeOf error
	if !test.Fires {
		outcomeOf = &outcome{exitError, "trigger " + t.Application + "/" + t.Name + " would not fire: " + test.Reason}
	}
	if t.Kind == slipway.TriggerCron && !t.Disabled {
		outcomeOf = nil
	}
	if f.json {
		if err := f.printJSON(test); err != nil {
			return err
		}
		return outcomeOf
	}
	if test.Fires {
		fmt.Fprintf(f.Out, "trigger %s/%s would start %s\n", t.Application, t.Name, test.Starts)
	}
	lines := [][2]string{
		{"  event", test.Cause.Event}, {"  branch", test.Cause.Branch}, {"  commit", test.Cause.Commit}, {"  author", test.Cause.Author},
		{"  build", test.Cause.BuildKey}, {"  shown at", test.Cause.Build}, {"  image", test.Image},
	}
	now := time.Now()
	for _, at := range test.Next {
		lines = append(lines, [2]string{"  next", moment(at, now)})
	}
	f.facts(lines)
	return outcomeOf
}
