package cli

import (
	"strings"

	"github.com/slipway-sh/slipway/client"
)

// credentials returns what to show slipwayd: SLIPWAY_TOKEN.
func (f *Factory) credentials() client.Credentials {
	return client.Token(strings.TrimSpace(f.Env("SLIPWAY_TOKEN")))
}
