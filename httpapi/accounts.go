package httpapi

import (
	"context"

	"github.com/slipway-sh/slipway"
)

type accountsInput struct{ PageInput }

func (a *api) listAccounts(ctx context.Context, in *accountsInput) (*listOutput[slipway.Account], error) {
	all, err := a.Accounts.Accounts(ctx)
	return sorted(a.page(ctx, &in.PageInput), all, err, func(x slipway.Account) string { return x.Name })
}

type accountInput struct {
	Account string `path:"account"`
}

func (a *api) getAccount(ctx context.Context, in *accountInput) (*output[slipway.Account], error) {
	all, err := a.Accounts.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	for _, x := range all {
		if x.Name == in.Account {
			return found(x, nil)
		}
	}
	return nil, slipway.Errorf(slipway.NotFound, "cannot find account %q", in.Account)
}
