package sim

import (
	"context"

	"github.com/slipway-sh/slipway"
)

// Exec implements slipway.Provider: the machine's [Behaviour] answers.
func (w *World) Exec(ctx context.Context, id string, e slipway.Exec) (slipway.ExecResult, error) {
	if e.Files != nil && (e.Stdin != nil || e.Terminal != nil) {
		return slipway.ExecResult{}, slipway.Errorf(slipway.Invalid, "cannot run a program in instance %s: it cannot have both files and an input", id)
	}
	if err := w.look(ctx, "Exec "+id); err != nil {
		return slipway.ExecResult{}, err
	}
	m := w.machines[id]
	if m == nil {
		w.mu.Unlock()
		return slipway.ExecResult{}, noMachine(id)
	}
	runs, view, answer := m.state != slipway.InstanceDead, m.view(), m.behaviour.Exec
	w.mu.Unlock()
	switch {
	case !runs:
		return slipway.ExecResult{}, slipway.Errorf(slipway.Conflict, "cannot run a program in instance %s: it does not run", id)
	case answer == nil:
		return slipway.ExecResult{}, nil
	}
	result, err := answer(ctx, view, e)
	if err != nil {
		return slipway.ExecResult{}, err
	}
	result.Output = result.Output[max(0, len(result.Output)-maxOutput):]
	return result, nil
}

// maxOutput is how much of a program's output is kept, bytes.
const maxOutput = 64 << 10
