package daemon

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/slipway-sh/slipway"
)

// ForTest returns a slipwayd that is ready, on a data directory of its own, and takes everything down when the test ends. It
// skips the test on a host that cannot run machines, but fails it where $SLIPWAY_BIN says that this was meant seriously.
func ForTest(t *testing.T) *Daemon {
	t.Helper()
	d := NewForTest(t)
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

// NewForTest is ForTest without the start.
func NewForTest(t *testing.T) *Daemon {
	t.Helper()
	if err := Prepared(); err != nil {
		if os.Getenv("SLIPWAY_BIN") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	programs, err := Built(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "sw") //nolint:usetesting // t.TempDir is too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(programs, filepath.Join(dir, "d"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the last lines of slipwayd's log:\n%s", d.LogTail(60))
		}
		if err := d.Destroy(); err != nil {
			t.Error(err)
			return // what cannot be taken down is left for inspection
		}
		os.RemoveAll(dir)
	})
	return d
}

// HelloForTest writes a build context of examples/hello with one of its releases, and returns the path of its slipway.yaml.
func (d *Daemon) HelloForTest(t *testing.T, release string, change func(*slipway.Spec)) string {
	t.Helper()
	root, err := Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := d.Programs.WriteHello(t.TempDir(), release, filepath.Join(root, "examples/hello/slipway.yaml"), change)
	if err != nil {
		t.Fatal(err)
	}
	return manifest
}

// Must runs the command line and fails the test unless it ends with the exit status.
func (d *Daemon) Must(t *testing.T, exit int, args ...string) Result {
	t.Helper()
	result, err := d.Slipway(t.Context(), args...)
	if err == nil {
		err = result.Wanted(exit)
	}
	if err != nil {
		t.Fatal(err)
	}
	return result
}
