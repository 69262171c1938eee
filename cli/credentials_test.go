package cli

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/slipway-sh/slipway"
)

// What the command line shows slipwayd is found where it is run.
func TestCredentials(t *testing.T) {
	asked := 0
	github := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.Header.Get("Authorization") != "Bearer job" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `{"value":"signed for %s, %s"}`, r.URL.Query().Get("audience"), r.URL.Query().Get("api"))
	}))
	defer github.Close()
	job := map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": github.URL + "?api=2", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "job", "SLIPWAY_SERVER": "https://slipway.example.com"}
	with := func(pairs ...string) map[string]string {
		env := map[string]string{}
		for name, value := range job {
			env[name] = value
		}
		for i := 0; i < len(pairs); i += 2 {
			env[pairs[i]] = pairs[i+1]
		}
		return env
	}
	for _, c := range []struct {
		name, want string
		env        map[string]string
		code       slipway.Code
	}{
		{"nothing", "", nil, ""},
		{"a token", "slp_a", map[string]string{"SLIPWAY_TOKEN": " slp_a\n"}, ""},
		{"a job of GitLab's", "a.b.c", map[string]string{"SLIPWAY_ID_TOKEN": "a.b.c"}, ""},
		{"a job of GitHub's", "signed for slipway, 2", job, ""},
		{"for another audience", "signed for prod, 2", with("SLIPWAY_AUDIENCE", "prod"), ""},
		{"a token in a job", "slp_a", with("SLIPWAY_TOKEN", "slp_a"), ""},
		{"a job on slipwayd's own host", "", with("SLIPWAY_SERVER", "unix:/slipwayd.sock"), ""},
		{"a job that may not", "", with("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "other"), slipway.Unauthenticated},
	} {
		f := &Factory{Env: func(name string) string { return c.env[name] }}
		credentials := f.credentials()
		before := asked
		for range 2 {
			got, err := credentials(t.Context())
			if got != c.want || slipway.CodeOf(err) != c.code {
				t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
			}
		}
		if c.code == "" && asked > before+1 {
			t.Errorf("%s: GitHub was asked %d times for one token", c.name, asked-before)
		}
	}
}
