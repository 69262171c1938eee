package check

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// commandTimeout is how long a command may take that a test does not limit.
const commandTimeout = 10 * time.Second

func (r Runner) command(ctx context.Context, instance slipway.Instance, test *slipway.CommandTest) error {
	timeout := test.Timeout.Or(commandTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not done within %s", timeout))
	defer cancel()
	result, err := r.Provider.Exec(ctx, instance.ID, slipway.Exec{Command: test.Run})
	if err != nil {
		return reason(ctx, err)
	}
	if result.ExitCode != test.Exit {
		return fmt.Errorf("want exit status %d, got %d: %s", test.Exit, result.ExitCode, shown([]byte(result.Output)))
	}
	if !strings.Contains(result.Output, test.Contains) {
		return fmt.Errorf("want %q in the output, got %s", test.Contains, shown([]byte(result.Output)))
	}
	return nil
}
