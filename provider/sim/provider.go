package sim

import (
	"context"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/slipway-sh/slipway"
)

var machineForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,60}[a-z0-9])?$`)

// EnsureServerGroup implements slipway.Provider.
func (w *World) EnsureServerGroup(ctx context.Context, spec slipway.ServerGroupSpec) error {
	return w.change(ctx, "EnsureServerGroup", spec.Name, func(f Fault) error {
		if _, ok := slipway.GroupNumber(spec.Name); !ok || len(spec.Name) > 100 {
			return slipway.Errorf(slipway.Invalid, "cannot make server group %q: want a name such as hello-prod-v001", spec.Name)
		}
		if err := validSize(spec.Size); err != nil {
			return err
		}
		if err := validService(spec.Service); err != nil {
			return err
		}
		if g := w.groups[spec.Name]; g != nil {
			if !sameSpec(g.ServerGroupSpec, spec) {
				return slipway.Errorf(slipway.Conflict, "cannot make server group %s: one with this name exists and is made from something else", spec.Name)
			}
			return nil
		}
		if _, err := w.behaviour(spec.Image, spec.Config); err != nil {
			return err
		}
		g := &group{ServerGroupSpec: copied(spec), created: w.now, short: f.Short}
		w.groups[g.Name] = g
		w.touch(g.Name)
		w.keep(g)
		return nil
	})
}

// ServerGroup implements slipway.Provider.
func (w *World) ServerGroup(ctx context.Context, name string) (slipway.ServerGroup, error) {
	if err := w.look(ctx, "ServerGroup "+name); err != nil {
		return slipway.ServerGroup{}, err
	}
	defer w.mu.Unlock()
	g := w.groups[name]
	if g == nil {
		return slipway.ServerGroup{}, noGroup(name)
	}
	return g.view(), nil
}

// ServerGroups implements slipway.Provider.
func (w *World) ServerGroups(ctx context.Context) ([]slipway.ServerGroup, error) {
	if err := w.look(ctx, "ServerGroups"); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	views := make([]slipway.ServerGroup, 0, len(w.groups))
	for _, g := range w.groups {
		views = append(views, g.view())
	}
	slices.SortFunc(views, func(a, b slipway.ServerGroup) int { return strings.Compare(a.Name, b.Name) })
	return views, nil
}

// ResizeServerGroup implements slipway.Provider.
func (w *World) ResizeServerGroup(ctx context.Context, name string, size slipway.Size) error {
	return w.change(ctx, "ResizeServerGroup", name, func(f Fault) error {
		if err := validSize(size); err != nil {
			return err
		}
		g := w.groups[name]
		switch {
		case g == nil:
			return noGroup(name)
		case g.Size == size:
			return nil
		}
		g.Size, g.short = size, f.Short
		w.touch(name)
		w.keep(g)
		return nil
	})
}

// DestroyServerGroup implements slipway.Provider.
func (w *World) DestroyServerGroup(ctx context.Context, name string) error {
	return w.change(ctx, "DestroyServerGroup", name, func(Fault) error {
		if g := w.groups[name]; g != nil {
			w.forget(g)
		}
		return nil
	})
}

// Launch implements slipway.Provider.
func (w *World) Launch(ctx context.Context, spec slipway.MachineSpec) (i slipway.Instance, err error) {
	err = w.change(ctx, "Launch", spec.ID, func(Fault) error {
		if !machineForm.MatchString(spec.ID) {
			return slipway.Errorf(slipway.Invalid, "cannot launch machine %q: an ID has lower-case letters, digits and dashes", spec.ID)
		}
		if err := validService(spec.Service); err != nil && !spec.Stay {
			return err
		}
		behaviour, err := w.behaviour(spec.Image, spec.Config)
		if err != nil {
			return err
		}
		m := w.machines[spec.ID]
		switch {
		case m == nil && w.full():
			return slipway.Errorf(slipway.Unprepared, "cannot launch machine %s: there is no room for it", spec.ID)
		case m == nil:
			m = &machine{
				id: spec.ID, image: spec.Image, service: spec.Service, config: maps.Clone(spec.Config), stay: spec.Stay, behaviour: behaviour,
				owner: spec.Owner, expires: spec.Expires, configVersion: spec.ConfigVersion,
			}
			w.begin(m)
			w.expire(m, spec)
		case m.group != "" || m.image != spec.Image || !reflect.DeepEqual(m.service.Command, spec.Service.Command):
			return slipway.Errorf(slipway.Conflict, "cannot launch machine %s: one with this ID exists and is made from something else", spec.ID)
		}
		i = m.view()
		return nil
	})
	if err != nil {
		return slipway.Instance{}, err
	}
	return i, nil
}

// expire has a throw-away machine removed at its time. mu must be held.
func (w *World) expire(m *machine, spec slipway.MachineSpec) {
	if spec.Expires.IsZero() {
		return
	}
	w.after(spec.Expires.Sub(w.now), func() string {
		if !w.there(m) {
			return ""
		}
		w.retire(m, 0)
		return m.id + " expires"
	})
}

// Instance implements slipway.Provider.
func (w *World) Instance(ctx context.Context, id string) (slipway.Instance, error) {
	if err := w.look(ctx, "Instance "+id); err != nil {
		return slipway.Instance{}, err
	}
	defer w.mu.Unlock()
	m := w.machines[id]
	if m == nil {
		return slipway.Instance{}, noMachine(id)
	}
	return m.view(), nil
}

// Instances implements slipway.Provider.
func (w *World) Instances(ctx context.Context) ([]slipway.Instance, error) {
	if err := w.look(ctx, "Instances"); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	views := make([]slipway.Instance, 0, len(w.machines))
	for _, m := range w.machines {
		views = append(views, m.view())
	}
	slices.SortFunc(views, func(a, b slipway.Instance) int {
		if c := a.Started.Compare(b.Started); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return views, nil
}

// Terminate implements slipway.Provider.
func (w *World) Terminate(ctx context.Context, id string) error {
	return w.change(ctx, "Terminate", id, func(Fault) error {
		if m := w.machines[id]; m != nil {
			w.finish(m)
		}
		return nil
	})
}

// Watch implements slipway.Provider. A receiver that does not listen finds up to 256 names.
func (w *World) Watch(ctx context.Context) <-chan string { return w.watchers.add(ctx) }

// touch tells whoever watches that something about the group's instances changed. mu must be held.
func (w *World) touch(group string) {
	w.watchers.notify(group)
	if w.Follow != nil && group != "" && !slices.Contains(w.changed, group) {
		w.changed = append(w.changed, group)
	}
}

func validSize(s slipway.Size) error {
	if s.Min < 0 || s.Desired < s.Min || s.Max < s.Desired {
		return slipway.Errorf(slipway.Invalid, "cannot use size %d/%d/%d: want 0 <= min <= desired <= max", s.Min, s.Desired, s.Max)
	}
	return nil
}

func validService(s slipway.Service) error {
	if len(s.Command) == 0 {
		return slipway.Errorf(slipway.Invalid, "cannot start a machine: its service has no command")
	}
	return nil
}

func noGroup(name string) error { return slipway.Errorf(slipway.NotFound, "no server group %s", name) }

func noMachine(id string) error { return slipway.Errorf(slipway.NotFound, "no instance %s", id) }
