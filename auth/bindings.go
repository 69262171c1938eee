package auth

import (
	"context"

	"github.com/slipway-sh/slipway"
)

// Bindings returns who was given which role.
func (a *Authority) Bindings(ctx context.Context) ([]slipway.Binding, error) {
	if a.store == nil {
		return nil, nil
	}
	return a.store.Bindings(ctx)
}

// Binding returns a binding by its ID.
func (a *Authority) Binding(ctx context.Context, id string) (slipway.Binding, error) {
	all, err := a.Bindings(ctx)
	if err != nil {
		return slipway.Binding{}, err
	}
	for _, b := range all {
		if b.ID == id {
			return b, nil
		}
	}
	return slipway.Binding{}, slipway.Errorf(slipway.NotFound, "cannot find binding %q: `slipway access list` has all", id)
}

// Grant gives somebody a role. What was given already is returned as it is.
func (a *Authority) Grant(ctx context.Context, r slipway.BindingRequest) (slipway.Binding, error) {
	if err := r.Validate(); err != nil {
		return slipway.Binding{}, err
	}
	if a.store == nil {
		return slipway.Binding{}, storeless()
	}
	if err := a.Spend(ctx, r.Grant()); err != nil {
		return slipway.Binding{}, err
	}
	defer a.changes.tell()
	return a.store.PutBinding(ctx, slipway.Binding{
		ID: newID("g"), Subject: r.Subject, Grant: r.Grant(), By: slipway.PrincipalOf(ctx).Name, Created: a.now(),
	})
}

// Revoke takes a role back, and returns what it was.
func (a *Authority) Revoke(ctx context.Context, id string) (slipway.Binding, error) {
	if a.store == nil {
		return slipway.Binding{}, storeless()
	}
	defer a.changes.tell()
	return a.store.DeleteBinding(ctx, id)
}

func storeless() error {
	return slipway.Errorf(slipway.Unprepared, "cannot do that: this slipwayd keeps no records of who may do what")
}
