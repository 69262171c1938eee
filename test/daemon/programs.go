// Package daemon runs real slipwayds on data directories of their own: for the demo, the bench, and the tests that drive the
// finished programs.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
)

// Programs is the directory with the finished programs, as `make build` fills it.
type Programs string

// Slipwayd returns the path of slipwayd.
func (p Programs) Slipwayd() string { return filepath.Join(string(p), "slipwayd") }

// Slipway returns the path of slipway.
func (p Programs) Slipway() string { return filepath.Join(string(p), "slipway") }

// Hello returns the path of a release of examples/hello.
func (p Programs) Hello(release string) string { return filepath.Join(string(p), "hello", release) }

// Built returns the programs that $SLIPWAY_BIN names, or else builds them here, once at a time however many test binaries
// ask for it.
func Built(ctx context.Context) (Programs, error) {
	if dir := os.Getenv("SLIPWAY_BIN"); dir != "" {
		abs, err := filepath.Abs(dir)
		return Programs(abs), err
	}
	root, err := Root(ctx)
	if err != nil {
		return "", err
	}
	build := filepath.Join(root, "build")
	if err := os.MkdirAll(build, 0o755); err != nil {
		return "", err
	}
	lock := flock.New(filepath.Join(build, ".lock"))
	if err := lock.Lock(); err != nil {
		return "", fmt.Errorf("cannot lock %s: %w", lock.Path(), err)
	}
	defer lock.Close()
	if out, err := exec.CommandContext(ctx, "make", "-C", root, "build").CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build the programs: %w\n%s", err, out)
	}
	return Programs(build), nil
}

// Root returns the directory of the repository that the working directory is in.
func Root(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("cannot find the repository: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Prepared returns what this host lacks to run machines, and nil if it lacks nothing.
func Prepared() error {
	if os.Geteuid() != 0 {
		return errors.New("needs root: it makes real machines")
	}
	var missing []string
	for _, program := range []string{"runc", "haproxy", "mmdebstrap", "ip"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("needs %s: run `make deps`", strings.Join(missing, ", "))
	}
	return nil
}
