package local

import (
	"context"

	"github.com/slipway-sh/slipway"
)

var _ slipway.Marker = (*Provider)(nil)

// MarkInstance implements slipway.Marker.
func (p *Provider) MarkInstance(_ context.Context, id string, kind slipway.MarkKind, mark *slipway.InstanceMark) (slipway.Instance, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.machines[id]
	switch {
	case m == nil:
		return slipway.Instance{}, noMachine(id)
	case m.Retired && mark != nil:
		return slipway.Instance{}, slipway.Errorf(slipway.Conflict, "cannot mark instance %s: it is being removed", id)
	}
	record := m.machineRecord
	switch kind {
	case slipway.MarkDisabled:
		record.Disabled = mark
	case slipway.MarkProtected:
		record.Protected = mark
	default:
		return slipway.Instance{}, slipway.Errorf(slipway.Invalid, "cannot mark instance %s as %q: want disabled or protected", id, kind)
	}
	if record.Place != 0 { // before that it is recorded soon, with its marks
		if err := p.records.putMachine(record); err != nil {
			return slipway.Instance{}, err
		}
	}
	m.Disabled, m.Protected = record.Disabled, record.Protected // and no more: the rest is read without the lock
	p.watchers.notify(m.Group)
	if g := p.groups[m.Group]; g != nil {
		g.poke() // one that was disabled, and unhealthy, is replaced when it is enabled
	}
	return m.view(), nil
}
