package httpapi

import (
	"context"
	"strings"

	"github.com/slipway-sh/slipway"
)

// Guard removes machines, and refuses to remove the last that serve. Methods are safe for concurrent use.
type Guard interface {
	// Terminate stops an instance gracefully. Refused, unless force is set, if its cluster would be left with fewer serving machines than
	// it must have, as its load balancer sees them now. NotFound if there is no such instance.
	Terminate(ctx context.Context, id string, force bool, reason, by string) error
	// DestroyGroup removes a server group and its machines. Refused, unless force is set, if it serves. NotFound if there is no such group.
	DestroyGroup(ctx context.Context, name string, force bool, reason, by string) error
}

// RemovalInput says how machines are removed. It is exported so that huma sees its fields where it is embedded.
type RemovalInput struct {
	Force  bool   `query:"force" doc:"Remove it though it is the last that serves. Wants a reason, which is recorded."`
	Reason string `query:"reason" doc:"Why it is removed." example:"it is compromised"`
	By     string `query:"by" doc:"Who removes it."`
}

func (in RemovalInput) validate(what string) error {
	if in.Force && strings.TrimSpace(in.Reason) == "" {
		return slipway.Errorf(slipway.Invalid, "cannot remove %s by force without a reason: say why, for whoever asks later", what).At("reason")
	}
	return nil
}

type terminateInput struct {
	ID string `path:"id"`
	RemovalInput
}

func (a *api) terminateInstance(ctx context.Context, in *terminateInput) (*struct{}, error) {
	if err := in.validate("instance " + in.ID); err != nil {
		return nil, err
	}
	return nil, a.Guard.Terminate(ctx, in.ID, in.Force, in.Reason, in.By)
}

type destroyGroupInput struct {
	Name string `path:"name"`
	RemovalInput
}

func (a *api) destroyGroup(ctx context.Context, in *destroyGroupInput) (*struct{}, error) {
	if err := in.validate("server group " + in.Name); err != nil {
		return nil, err
	}
	return nil, a.Guard.DestroyGroup(ctx, in.Name, in.Force, in.Reason, in.By)
}
