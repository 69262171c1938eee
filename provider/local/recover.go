package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/slipway-sh/slipway"
)

// recover takes over what an earlier process left, however it ended.
func (p *Provider) recover(ctx context.Context) error {
	groups, err := p.records.groups()
	if err != nil {
		return err
	}
	machines, unknown, err := p.records.machines()
	if err != nil {
		return err
	}
	known, places := map[string]bool{}, map[int]bool{}
	for _, m := range machines {
		known[m.ID] = true
		if m.Place != 0 {
			places[m.Place] = true
		}
	}
	if p.network, err = openNetwork(filepath.Join(p.Dir, "network.json"), p.hash(), places, p.Log); err != nil {
		return err
	}
	if err := p.settings.sweep(known); err != nil {
		return err
	}
	containers, err := p.runtime.List()
	if err != nil {
		return err
	}
	for _, id := range append(containers, unknown...) {
		if known[id] {
			continue
		}
		p.Log.Info("removing what no record knows", "machine", id)
		if err := p.clean(ctx, id, 0); err != nil {
			return fmt.Errorf("cannot remove what an earlier process left of machine %s: %w", id, err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, record := range machines {
		if err := p.adopt(record); err != nil {
			return err
		}
	}
	for _, record := range groups {
		if err := p.startGroup(record); err != nil {
			return err
		}
	}
	for _, m := range p.machines {
		if m.Group != "" && p.groups[m.Group] == nil {
			p.retire(m, 0)
		}
	}
	return nil
}

// adopt makes a recorded machine known and finds out what has become of it. p.mu must be held.
func (p *Provider) adopt(record machineRecord) error {
	m := p.add(record)
	close(m.launched)
	m.address = p.network.address(m.Place).String()
	dir := p.records.machineDir(m.ID)
	process, err := p.runtime.Find(m.ID, dir)
	if err == nil {
		if m.Healthy {
			// The load balancer sends it requests: it must not look as if it were only starting.
			m.state = slipway.InstanceHealthy
		}
		p.watch(m, process)
		if m.Retired {
			p.retire(m, 0)
		}
		p.Log.Info("adopted a machine", "machine", m.ID, "group", m.Group, "pid", process.PID)
		return nil
	}
	if !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	close(m.died)
	m.stop()
	_, err = os.Stat(filepath.Join(dir, "pid"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		m.launchErr = errors.New("its launch was interrupted")
		m.state = slipway.InstanceDead
		p.retire(m, 0)
	case m.Retired:
		m.state = slipway.InstanceDead
		p.retire(m, 0)
	default:
		p.setState(m, slipway.InstanceDead, p.epitaph(m.ID))
	}
	return nil
}
