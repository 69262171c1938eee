package httpapi

import (
	"cmp"
	"context"

	"github.com/slipway-sh/slipway"
)

type approvalsInput struct {
	Application string `query:"application" doc:"Only this application's."`
	Environment string `query:"environment" doc:"Only this environment's."`
	Subject     string `query:"subject" doc:"Only what this promotion or execution asked."`
	Pending     bool   `query:"pending" doc:"Only those that wait for answers."`
	PageInput
}

func (a *api) listApprovals(ctx context.Context, in *approvalsInput) (*listOutput[slipway.Approval], error) {
	filter := slipway.ApprovalFilter{Application: in.Application, Environment: in.Environment, Subject: in.Subject, Pending: in.Pending}
	return paged(a.page(ctx, &in.PageInput), func(after slipway.Mark, limit int) ([]slipway.Approval, error) {
		filter.After = after
		return a.Approvals.ListApprovals(ctx, filter, limit)
	}, func(x slipway.Approval) slipway.Mark { return slipway.Mark{Time: x.Asked, ID: x.ID} })
}

func (a *api) getApproval(ctx context.Context, in *idInput) (*output[slipway.Approval], error) {
	return found(a.Approvals.Approval(ctx, in.ID))
}

func (a *api) diffApproval(ctx context.Context, in *idInput) (*output[slipway.ImageDiff], error) {
	asked, err := a.Approvals.Approval(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if asked.Image == "" {
		return nil, slipway.Errorf(slipway.NotFound, "cannot compare images for %s: it is about none", in.ID)
	}
	newer, err := a.Store.Image(ctx, asked.Image)
	if err != nil {
		return nil, err
	}
	if asked.Against == "" {
		return nil, slipway.Errorf(slipway.NotFound, "cannot compare image %s for %s: nothing served there when it was asked", asked.Image.Short(), in.ID)
	}
	older, err := a.Store.Image(ctx, asked.Against)
	if err != nil {
		return nil, err
	}
	diff, err := a.Catalog.Diff(ctx, older, newer)
	if err == nil && asked.Environment != "" && a.Configs != nil {
		diff.Config, err = a.toldAnew(ctx, asked)
	}
	return found(diff, err)
}

// toldAnew returns how what machines are told changes, from what served when it was asked.
func (a *api) toldAnew(ctx context.Context, asked slipway.Approval) (*slipway.ConfigDiff, error) {
	cluster := slipway.Cluster{Application: asked.Application, Environment: asked.Environment}
	var of [2]slipway.ConfigVersion
	for i, number := range []int{asked.ConfigAgainst, asked.Config} {
		if number == 0 {
			continue
		}
		var err error
		if of[i], err = a.Configs.Config(ctx, cluster, number); err != nil {
			return nil, err
		}
	}
	diff := of[0].Diff(of[1])
	return &diff, nil
}

type voteInput struct {
	ID   string `path:"id"`
	Body slipway.VoteRequest
}

func (a *api) vote(ctx context.Context, in *voteInput) (*output[slipway.Approval], error) {
	if err := in.Body.Validate(); err != nil {
		return nil, err
	}
	return found(a.Approvals.Vote(speaking(ctx, in.Body.By), in.ID, in.Body.Approve, in.Body.Comment))
}

// speaking returns ctx as that of whoever the host's root says to speak for: root may do everything on the host, and is believed. What
// anybody else says of who he is is not heeded.
func speaking(ctx context.Context, by string) context.Context {
	p := slipway.PrincipalOf(ctx)
	if p.Kind != slipway.PrincipalLocal && p.Kind != slipway.PrincipalSystem {
		return ctx
	}
	if by == "" && p.Kind == slipway.PrincipalSystem {
		return ctx
	}
	return slipway.WithPrincipal(ctx, slipway.Principal{Kind: slipway.PrincipalLocal, Name: cmp.Or(by, p.Name), Groups: p.Groups, Address: p.Address})
}

// asker returns the name of whoever asks for something, as [speaking].
func asker(ctx context.Context, by string) string {
	if p := slipway.PrincipalOf(speaking(ctx, by)); p.Kind != slipway.PrincipalSystem {
		return p.Name
	}
	return by
}
