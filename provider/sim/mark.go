package sim

import (
	"context"
	"slices"
	"strings"

	"github.com/slipway-sh/slipway"
)

var _ slipway.Marker = (*World)(nil)

// MarkInstance implements slipway.Marker.
func (w *World) MarkInstance(ctx context.Context, id string, kind slipway.MarkKind, mark *slipway.InstanceMark) (i slipway.Instance, err error) {
	err = w.change(ctx, "MarkInstance", id, func(Fault) error {
		m := w.machines[id]
		switch {
		case m == nil:
			return noMachine(id)
		case m.retired && mark != nil:
			return slipway.Errorf(slipway.Conflict, "cannot mark instance %s: it is being removed", id)
		}
		switch kind {
		case slipway.MarkDisabled:
			m.disabled = mark
		case slipway.MarkProtected:
			m.protected = mark
		default:
			return slipway.Errorf(slipway.Invalid, "cannot mark instance %s as %q: want disabled or protected", id, kind)
		}
		w.touch(m.group)
		w.settle(m) // one that was disabled, and unhealthy, is replaced when it is enabled
		i = m.view()
		return nil
	})
	if err != nil {
		return slipway.Instance{}, err
	}
	return i, nil
}

// scratch are the places that are expected to be written to.
var scratch = []string{"/run", "/tmp", "/var/tmp"}

// Write has something written to a machine's root, which taints the machine, unless that is where its service may write; nothing happens if
// there is none of that ID.
func (w *World) Write(id, path string) {
	w.catchUp()
	w.mu.Lock()
	m := w.machines[id]
	within := func(dir string) bool { return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/") }
	if m == nil || m.taint != nil || m.retired || slices.ContainsFunc(scratch, within) || slices.ContainsFunc(m.service.State, within) {
		w.mu.Unlock()
		return
	}
	m.taint = &slipway.Taint{Since: w.now, Path: path}
	w.touch(m.group)
	w.mu.Unlock()
	w.observe(id + " is tainted")
}
