package local

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"os"
	"sync"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/agent"
	"github.com/slipway-sh/slipway/container"
)

// maxOutput is how much of a program's output is kept, bytes.
const maxOutput = 64 << 10

// filesMount is where programs that bring their files find them: beside the machine's root, which they leave as it is.
var filesMount = specs.Mount{
	Type: "tmpfs", Source: "tmpfs", Destination: agent.FilesPath, Options: []string{"nosuid", "nodev", "mode=711", "size=256m"},
}

// Exec implements slipway.Provider.
func (p *Provider) Exec(ctx context.Context, id string, e slipway.Exec) (slipway.ExecResult, error) {
	if e.Files != nil && (e.Stdin != nil || e.Terminal != nil) {
		return slipway.ExecResult{}, slipway.Errorf(slipway.Invalid, "cannot run a program in instance %s: it cannot have both files and an input", id)
	}
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
	first := m.process
	p.mu.Unlock()
	if first == nil || first.Ended() {
		return slipway.ExecResult{}, slipway.Errorf(slipway.Conflict, "cannot run a program in instance %s: it does not run", id)
	}
	process, err := processOf(e)
	if err != nil {
		return slipway.ExecResult{}, err
	}
	// Not longer than this provider: a program that somebody talks to must not keep it from closing.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.ctx, func() {
		cancel(slipway.Errorf(slipway.Unavailable, "cannot go on in instance %s: the provider is shutting down", id))
	})()
	var out tail
	status, err := p.exec(ctx, id, process, e, &out)
	if (err != nil || status == killed) && ctx.Err() == nil && p.ends(m) {
		err = slipway.Errorf(slipway.Conflict, "cannot go on in instance %s: it has ended meanwhile", id)
	}
	if err != nil {
		return slipway.ExecResult{}, err
	}
	return slipway.ExecResult{ExitCode: status, Output: string(out.last)}, nil
}

// killed is the exit status of a program that was killed, such as those of a machine whose first process ends.
const killed = 128 + 9

// ends reports whether the machine has ended, or does so now: its first process ends after all others.
func (p *Provider) ends(m *machine) bool {
	select {
	case <-m.died:
		return true
	case <-time.After(200 * time.Millisecond):
		return false
	}
}

func (p *Provider) exec(ctx context.Context, id string, process *specs.Process, e slipway.Exec, out io.Writer) (int, error) {
	if e.Terminal != nil {
		return p.runtime.ExecTerminal(ctx, id, process, container.Terminal{
			In: orEmpty(e.Stdin), Out: or(e.Stdout, out), Window: e.Terminal.Window, Windows: e.Terminal.Windows,
		})
	}
	stdio := container.Stdio{Out: or(e.Stdout, out), Err: or(e.Stderr, out)}
	in := e.Stdin
	if in == nil {
		in = e.Files
	}
	if in != nil {
		// By a pipe of its own, so that a program that has ended is not kept by an input that has not.
		r, w, err := os.Pipe()
		if err != nil {
			return -1, err
		}
		defer r.Close()
		defer w.Close()
		go func() {
			_, _ = io.Copy(w, in) // fails when the program reads no more
			w.Close()
		}()
		stdio.In = r
	}
	return p.runtime.Exec(ctx, id, process, stdio)
}

// processOf returns the agent's process that runs e. It looks users, programs and shells up inside the machine, where the files are
// that say what is what.
func processOf(e slipway.Exec) (*specs.Process, error) {
	env := e.Env
	if e.Terminal != nil && e.Terminal.Type != "" {
		env = map[string]string{"TERM": e.Terminal.Type}
		maps.Copy(env, e.Env)
	}
	what, err := json.Marshal(agent.Exec{
		Command: e.Command, User: e.User, Env: env, Directory: e.Directory, Files: e.Files != nil, Terminal: e.Terminal != nil,
	})
	if err != nil {
		return nil, err
	}
	return container.ProcessSpec(container.Options{Args: []string{agent.Path, "exec"}, Env: map[string]string{agent.ExecName: string(what)}}), nil
}

func or(w, other io.Writer) io.Writer {
	if w == nil {
		return other
	}
	return w
}

func orEmpty(r io.Reader) io.Reader {
	if r == nil {
		return eof{}
	}
	return r
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

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
