package execute

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/check"
	"github.com/slipway-sh/slipway/deploy/durable"
	"github.com/slipway-sh/slipway/ship"
)

// command runs a command in a throw-away machine of the image.
func (r *run) command(ctx workflow.Context, s slipway.Step, rec *slipway.StageRecord) error {
	image, err := r.needsImage("run a command in a machine")
	if err != nil {
		return err
	}
	machine, long := ship.DerivedID("i-", r.unique(rec)), s.Timeout.Or(testTime)
	rec.Log = true
	var exit int
	subject := Subject{Execution: r.view(), Stage: rec.ID, Image: image, Machine: machine}
	// A command that was broken off has begun; it is run again as it is by a person who does not know how far it came.
	err = workflow.ExecuteActivity(durable.Tries(ctx, long+2*startWithin, 3), acts.RunInMachine, subject, *s.Run, long).Get(ctx, &exit)
	if err != nil {
		r.removeMachine(ctx, machine)
		return err
	}
	outputs(rec, map[string]string{"exit": digits(exit)})
	if exit != 0 {
		return slipway.Errorf(slipway.Failed, "%s ended with exit status %d; slipway execution log %s %s has what it printed", s.Run.Command[0], exit, r.x.ID, rec.ID)
	}
	return nil
}

// RunInMachine boots a throw-away machine, runs the command in it, stores what that prints, and returns its exit status. The machine is gone
// when it returns.
func (a *Activities) RunInMachine(ctx context.Context, s Subject, stage slipway.RunStage, long time.Duration) (int, error) {
	image, req, err := a.subject(ctx, s)
	if err != nil {
		return 0, err
	}
	defer a.terminate(ctx, s.Machine)
	instance, err := a.machine(ctx, s, image, stage.NoService, long)
	if err != nil {
		return 0, err
	}
	out := &printed{tell: func(text string) { a.print(ctx, s, text) }}
	runner := check.Runner{Provider: a.Parts.Provider, Context: req.Context, Blobs: a.Parts.Blobs}
	limited, cancel := context.WithTimeoutCause(ctx, long, fmt.Errorf("not done within %s", long))
	defer cancel()
	exit, err := runner.Errand(limited, instance, check.Errand{
		Command: stage.Command, Inputs: stage.Inputs, Env: environmentOf(s, stage), User: stage.User,
	}, out)
	text := out.close()
	if kept := a.Logs.PutStageLog(context.WithoutCancel(ctx), s.Execution.ID, s.Stage, text); kept != nil && err == nil {
		err = kept
	}
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case limited.Err() != nil:
		return 0, slipway.Errorf(slipway.DeadlinePast, "%s: %s", stage.Command[0], context.Cause(limited))
	case slipway.CodeOf(err) == slipway.Internal: // the machine is gone, or could not be entered
		return 0, slipway.Errorf(slipway.Failed, "cannot run %s: %s", stage.Command[0], err)
	}
	return exit, err
}

// environmentOf returns the environment of a stage's command.
func environmentOf(s Subject, stage slipway.RunStage) map[string]string {
	x := s.Execution
	env := map[string]string{
		"SLIPWAY_EXECUTION": x.ID, "SLIPWAY_STAGE": s.Stage, "SLIPWAY_APPLICATION": x.Application, "SLIPWAY_PIPELINE": x.Pipeline, "SLIPWAY_IMAGE": string(s.Image),
	}
	for name, value := range x.Parameters {
		env["SLIPWAY_PARAM_"+strings.ToUpper(name)] = value
	}
	maps.Copy(env, stage.Env)
	return env
}

// How much of a command's output is told of in one event, and how much before the rest is only kept.
const (
	toldAtOnce = 8 << 10
	toldInAll  = 256 << 10
)

// printed gathers what a command prints, and tells of it line by line while it is not too much. Safe for concurrent use.
type printed struct {
	mu    sync.Mutex
	text  []byte
	line  []byte // begun
	told  int
	timer *time.Timer
	tell  func(text string)
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.text = append(p.text, b...); len(p.text) > 2*slipway.MaxStageLog {
		p.text = append(p.text[:0], p.text[len(p.text)-slipway.MaxStageLog:]...)
	}
	if p.told < toldInAll {
		p.line = append(p.line, b...)
		switch {
		case len(p.line) >= toldAtOnce:
			p.flush(false)
		case p.timer == nil:
			p.timer = time.AfterFunc(200*time.Millisecond, func() {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.timer = nil
				p.flush(false)
			})
		}
	}
	return len(b), nil
}

// close tells the rest, and returns all that is kept.
func (p *printed) close() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
	}
	p.flush(true)
	return string(p.text)
}

// flush tells the whole lines, or all if there is no more to come or no end of a line in sight.
func (p *printed) flush(all bool) {
	end := strings.LastIndexByte(string(p.line), '\n') + 1
	if all || end == 0 && len(p.line) >= toldAtOnce {
		end = len(p.line)
	}
	if text := strings.TrimRight(strings.ToValidUTF8(string(p.line[:end]), "\uFFFD"), "\n"); text != "" {
		p.told += len(text)
		p.tell(text)
	}
	p.line = append(p.line[:0], p.line[end:]...)
}
