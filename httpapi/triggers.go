package httpapi

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/slipway-sh/slipway"
)

// TriggerInput names a trigger in a path. It is exported so that huma sees its fields where it is embedded.
type TriggerInput struct {
	ID string `path:"id"`
}

type triggersInput struct {
	Application string `query:"application" doc:"Only this application's."`
	PageInput
}

func (a *api) listTriggers(ctx context.Context, in *triggersInput) (*listOutput[slipway.Trigger], error) {
	all, err := a.Triggers.ListTriggers(ctx, in.Application)
	return sorted(a.page(ctx, &in.PageInput), all, err, func(t slipway.Trigger) string { return t.Application + "\x00" + t.Name + "\x00" + t.ID })
}

type addTriggerInput struct {
	Body struct {
		slipway.TriggerSpec
		Secret string `json:"secret,omitempty" writeOnly:"true" doc:"Of a webhook; without one a random one is made. It is shown in the answer, and never again."`
	}
}

func (a *api) addTrigger(ctx context.Context, in *addTriggerInput) (*output[slipway.NewTrigger], error) {
	return found(a.Triggers.AddTrigger(ctx, in.Body.TriggerSpec, in.Body.Secret))
}

type getTriggerInput struct {
	TriggerInput
	Firings int `query:"firings" minimum:"0" maximum:"1000" default:"20" doc:"How many of its last firings are told."`
}

func (a *api) getTrigger(ctx context.Context, in *getTriggerInput) (*output[slipway.TriggerStatus], error) {
	return found(a.Triggers.TriggerStatus(ctx, in.ID, in.Firings))
}

type enableInput struct {
	TriggerInput
	Body struct {
		Enabled bool `json:"enabled"`
	}
}

func (a *api) enableTrigger(ctx context.Context, in *enableInput) (*output[slipway.Trigger], error) {
	return found(a.Triggers.EnableTrigger(ctx, in.ID, in.Body.Enabled))
}

type rotateInput struct {
	TriggerInput
	Body struct {
		Secret  string           `json:"secret,omitempty" writeOnly:"true" doc:"Without one a random one is made."`
		Overlap slipway.Duration `json:"overlap,omitempty" doc:"For how long the old secret is taken, too."`
	}
}

func (a *api) rotateTrigger(ctx context.Context, in *rotateInput) (*output[slipway.NewTrigger], error) {
	return found(a.Triggers.RotateTrigger(ctx, in.ID, in.Body.Secret, time.Duration(in.Body.Overlap)))
}

func (a *api) removeTrigger(ctx context.Context, in *TriggerInput) (*output[slipway.Trigger], error) {
	return found(a.Triggers.RemoveTrigger(ctx, in.ID))
}

type testTriggerInput struct {
	TriggerInput
	Body struct {
		Event   string `json:"event,omitempty" doc:"What GitHub's header X-GitHub-Event would say." example:"push"`
		Payload string `json:"payload,omitempty" doc:"The webhook's body, as text."`
	}
}

func (a *api) testTrigger(ctx context.Context, in *testTriggerInput) (*output[slipway.TriggerTest], error) {
	return found(a.Triggers.TestTrigger(ctx, in.ID, in.Body.Event, []byte(in.Body.Payload)))
}

// hookInput is a webhook as it comes: nothing is read into it before its signature was looked at.
type hookInput struct {
	TriggerInput
	RawBody []byte

	header    map[string][]string
	challenge func() // tells who is not known how to become so
}

// Resolve implements [huma.Resolver].
func (in *hookInput) Resolve(ctx huma.Context) []error {
	in.challenge = func() { ctx.SetHeader("WWW-Authenticate", `Webhook-Signature realm="slipway"`) }
	in.header = map[string][]string{}
	ctx.EachHeader(func(name, value string) { in.header[name] = append(in.header[name], value) })
	return nil
}

type hookOutput struct {
	Status int
	Body   slipway.Firing
}

func (a *api) receiveHook(ctx context.Context, in *hookInput) (*hookOutput, error) {
	f, err := a.Triggers.Receive(ctx, in.ID, in.header, in.RawBody)
	switch {
	case slipway.CodeOf(err) == slipway.Unauthenticated:
		in.challenge()
		return nil, err
	case err != nil:
		return nil, err
	case f.State == slipway.FiringFailed:
		return nil, f.Error
	case f.State == slipway.FiringFiltered:
		return &hookOutput{Status: 200, Body: f}, nil
	}
	return &hookOutput{Status: 202, Body: f}, nil
}
