package httpapi

import (
	"context"
	"time"
)

// ServerPart is something that slipwayd works with, and that runs elsewhere.
type ServerPart struct {
	Name  string    `json:"name" enum:"postgresql,temporal,nats" example:"temporal"`
	OK    bool      `json:"ok" doc:"Whether it answers."`
	Since time.Time `json:"since" doc:"Since when that is so."`
}

// What a slipwayd does.
const (
	active     = "active"
	standingBy = "standby"
)

type serverHealth struct {
	Ready   bool         `json:"ready" doc:"Whether it answers requests."`
	Version string       `json:"version" example:"0.1.0"`
	Role    string       `json:"role" enum:"active,standby" example:"active" doc:"Whether it does the work, or stands by for another, to which it passes requests on."`
	Parts   []ServerPart `json:"parts,omitempty" doc:"What the work needs and runs elsewhere. Where one is away, what needs it waits or is answered with 503, and goes on by itself when it is back."`
}

type healthOutput struct{ Body serverHealth }

func (a *api) health(context.Context, *struct{}) (*healthOutput, error) {
	of := serverHealth{Ready: true, Version: a.Version, Role: active}
	if a.Parts != nil {
		of.Parts = a.Parts()
	}
	return &healthOutput{Body: of}, nil
}
