package local

import (
	"context"
	"sync"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/agent"
	"github.com/slipway-sh/slipway/container"
)

// maxOutput is how much of a command's output is kept, bytes.
const maxOutput = 64 << 10

// Exec implements slipway.Provider.
func (p *Provider) Exec(ctx context.Context, id string, e slipway.Exec) (slipway.ExecResult, error) {
	p.mu.Lock()
	m := p.machines[id]
	p.mu.Unlock()
	if m == nil {
		return slipway.ExecResult{}, noMachine(id)
	}
	if err := p.await(ctx, m.launched, "machine "+id); err != nil {
		return slipway.ExecResult{}, err
	}
	p.mu.Lock()
	running := m.process != nil && !m.process.Ended()
	p.mu.Unlock()
	if !running {
		return slipway.ExecResult{}, slipway.Errorf(slipway.Conflict, "cannot run a command in instance %s: it does not run", id)
	}
	// The agent looks the user up inside the machine, where the files are that say who that is.
	process := container.ProcessSpec(container.Options{Args: append([]string{agent.Path, "exec"}, e.Command...)})
	var out tail
	status, err := p.runtime.Exec(ctx, id, process, container.Stdio{Out: &out, Err: &out})
	if err != nil {
		return slipway.ExecResult{}, err
	}
	return slipway.ExecResult{ExitCode: status, Output: string(out.last)}, nil
}

// tail keeps the last maxOutput bytes written to it.
type tail struct {
	mu   sync.Mutex
	last []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, b...)
	if over := len(t.last) - maxOutput; over > 0 {
		t.last = append(t.last[:0], t.last[over:]...)
	}
	return len(b), nil
}
