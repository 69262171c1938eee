package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/auth"
	"github.com/slipway-sh/slipway/cedar"
	"github.com/slipway-sh/slipway/oidc"
)

// authority returns who says who asks and what that one may do. If there is no administrator yet, it prints the token that makes the first.
func authority(ctx context.Context, o options, store slipway.AccessStore) (*auth.Authority, error) {
	a := auth.New(auth.Config{Store: store, Verifier: &oidc.Verifier{}, Rules: &cedar.Rules{}, Log: o.log})
	secret, err := a.FirstToken(ctx)
	if err != nil {
		return nil, err
	}
	if secret != "" {
		announce(os.Stdout, secret)
	}
	return a, nil
}

// announce prints the token of the first start, and what it is for. It goes to the standard output, not into the log.
func announce(out io.Writer, secret string) {
	fmt.Fprintf(out, `
There is no administrator yet. This token makes the first one, once, within a day:

  %s

  SLIPWAY_TOKEN=… slipway --server URL access grant ann@example.com --role admin
  SLIPWAY_TOKEN=… slipway --server URL token create --name admin --role admin

root on this host needs neither: by slipwayd's socket everything may be done.

`, secret)
}
