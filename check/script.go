package check

import (
	"context"
	"fmt"
	"maps"
	"path"
	"time"

	"github.com/slipway-sh/slipway"
)

// scriptTimeout is how long a script may take that a test does not limit.
const scriptTimeout = 5 * time.Minute

func (r Runner) script(ctx context.Context, instance slipway.Instance, test *slipway.ScriptTest) error {
	files, err := r.below(test.Directory)
	if err != nil {
		return err
	}
	timeout := test.Timeout.Or(scriptTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not done within %s", timeout))
	defer cancel()
	command := append([]string(nil), test.Run...)
	if !path.IsAbs(command[0]) {
		command[0] = "./" + path.Clean(command[0])
	}
	user := test.User
	if user == "" {
		user = root
	}
	env := map[string]string{"SLIPWAY_ADDRESS": instance.Address}
	if instance.Port != 0 {
		env["SLIPWAY_PORT"] = fmt.Sprint(instance.Port)
	}
	maps.Copy(env, test.Env)
	archive := r.pack(ctx, files)
	defer archive.Close()
	var out last
	result, err := r.Provider.Exec(ctx, instance.ID, slipway.Exec{
		Command: command, User: user, Env: env, Files: archive, Stdout: &out, Stderr: &out,
	})
	switch {
	case err != nil:
		return fmt.Errorf("%w%s", reason(ctx, err), out.lines())
	case archive.fault() != nil:
		return archive.fault()
	case result.ExitCode != 0:
		return fmt.Errorf("exit status %d%s", result.ExitCode, out.lines())
	}
	return nil
}
