package cli

import (
	"cmp"
	"context"
	"path/filepath"
	"strings"
	"sync"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
	"github.com/slipway-sh/slipway/login"
)

// credentials returns what to show slipwayd: SLIPWAY_TOKEN; else SLIPWAY_ID_TOKEN, which GitLab signs for a job; else, in a job of GitHub's
// that may ask for one, a token that GitHub signs; else that of the user who has logged in. By the socket of this host the last two are not
// needed.
func (f *Factory) credentials() client.Credentials {
	if token := cmp.Or(strings.TrimSpace(f.Env("SLIPWAY_TOKEN")), strings.TrimSpace(f.Env("SLIPWAY_ID_TOKEN"))); token != "" {
		return client.Token(token)
	}
	if f.local() {
		return client.Token("")
	}
	if ask, bearer := f.Env("ACTIONS_ID_TOKEN_REQUEST_URL"), f.Env("ACTIONS_ID_TOKEN_REQUEST_TOKEN"); ask != "" && bearer != "" {
		return client.GitHubJob(ask, bearer, cmp.Or(f.Env("SLIPWAY_AUDIENCE"), slipway.DefaultAudience))
	}
	return f.loggedIn()
}

// local reports whether slipwayd is reached by a socket of this host alone, which is for its root.
func (f *Factory) local() bool { return strings.HasPrefix(f.where(), "unix:") }

// logins returns where logins are kept.
func (f *Factory) logins() login.Store {
	switch config, home := f.Env("XDG_CONFIG_HOME"), f.Env("HOME"); {
	case filepath.IsAbs(config):
		return login.Store{Dir: filepath.Join(config, "slipway", "logins")}
	case home != "":
		return login.Store{Dir: filepath.Join(home, ".config", "slipway", "logins")}
	}
	return login.Store{}
}

// loggedIn returns the token of who has logged in to this slipwayd, a new one when it is about to expire; none if nobody has.
func (f *Factory) loggedIn() client.Credentials {
	var mu sync.Mutex
	var now login.Login
	var known, nobody bool
	return func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if nobody {
			return "", nil
		}
		var err error
		if !known {
			now, err = f.logins().Get(f.where())
			if nobody = slipway.CodeOf(err) == slipway.NotFound; nobody {
				return "", nil
			}
			if err != nil {
				return "", err
			}
			known = true
		}
		now, err = f.logins().Token(ctx, now)
		return now.IDToken, err
	}
}
