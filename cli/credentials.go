package cli

import (
	"cmp"
	"strings"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

// credentials returns what to show slipwayd: SLIPWAY_TOKEN; else SLIPWAY_ID_TOKEN, which GitLab signs for a job; else, in a job of GitHub's
// that may ask for one, a token that GitHub signs. By the socket of this host the last is not needed.
func (f *Factory) credentials() client.Credentials {
	if token := cmp.Or(strings.TrimSpace(f.Env("SLIPWAY_TOKEN")), strings.TrimSpace(f.Env("SLIPWAY_ID_TOKEN"))); token != "" {
		return client.Token(token)
	}
	ask, bearer := f.Env("ACTIONS_ID_TOKEN_REQUEST_URL"), f.Env("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
	if ask == "" || bearer == "" || strings.HasPrefix(f.where(), "unix:") {
		return client.Token("")
	}
	return client.GitHubJob(ask, bearer, cmp.Or(f.Env("SLIPWAY_AUDIENCE"), slipway.DefaultAudience))
}
