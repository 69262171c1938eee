package acceptance

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/slipway-sh/slipway/test/oidcserver"
)

// people can log in at a script's identity provider. Their passwords are their names.
var people = []oidcserver.User{
	{Email: "ann@example.com", Password: "ann", Groups: []string{"ops"}},
	{Email: "bob@example.com", Password: "bob", Groups: []string{"dev"}},
	{Email: "eve@example.com", Password: "eve", Unverified: true},
}

// issuer is an OpenID Connect provider:
//
//	issuer start             gives the script one, at $ISSUER, for slipwayd's clients; $ISSUER_AT is its host and port
//	issuer life duration     of ID tokens from then on
//	issuer forget            knows no logins any more
//	issuer sign VAR claim=value…   signs a token as a CI system does; "-30m" and the like of exp, iat and nbf are from now
//	issuer job bearer claim=value…  signs such tokens for jobs that ask, as GitHub's do, at $ISSUER_JOB
func issuer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: issuer start | life duration | forget | sign VAR claim=value… | job bearer claim=value…")
	}
	s := ts.Value(daemonKey{}).(*script)
	switch args[0] {
	case "start":
		server, err := oidcserver.New(people...)
		ts.Check(err)
		ts.Defer(server.Close)
		server.Redirect("http://127.0.0.1:" + ts.Getenv("PORT") + "/v1/login/callback")
		s.issuer = server
		ts.Setenv("ISSUER", server.URL)
		ts.Setenv("ISSUER_AT", strings.TrimPrefix(server.URL, "http://"))
		ts.Setenv("ISSUER_JOB", server.JobURL())
	case "life":
		life, err := time.ParseDuration(args[1])
		ts.Check(err)
		s.issuer.Life = life
	case "forget":
		s.issuer.Forget()
	case "sign":
		token, err := s.issuer.Sign(claims(ts, args[2:]))
		ts.Check(err)
		ts.Setenv(args[1], token)
	case "job":
		s.issuer.SetJob(args[1], claims(ts, args[2:]))
	default:
		ts.Fatalf("unknown: issuer %s", args[0])
	}
}

func claims(ts *testscript.TestScript, pairs []string) map[string]any {
	all := map[string]any{}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			ts.Fatalf("%q is no claim=value", pair)
		}
		all[name] = value
		if name == "exp" || name == "iat" || name == "nbf" {
			from, err := time.ParseDuration(value)
			ts.Check(err)
			all[name] = time.Now().Add(from).Unix()
		}
	}
	return all
}

// logsIn runs a command that prints an address to log in at, and has somebody go there with a browser: logs-in ann slipway login --no-browser
func logsIn(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: [!] logs-in user command [argument…]")
	}
	cmd := exec.Command(filepath.Join(string(current(ts).Programs), args[1]), args[2:]...)
	for _, name := range []string{"HOME", "PATH", "XDG_CONFIG_HOME", "SLIPWAY_SERVER", "SLIPWAY_TOKEN"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	cmd.Stdout = ts.Stdout()
	stderr, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	browser := oidcserver.NewBrowser(args[0]+"@example.com", args[0])
	went := false
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		fmt.Fprintln(ts.Stderr(), line)
		if !went && strings.HasPrefix(line, "http") && (!strings.HasSuffix(line, "/device")) {
			went = true
			if _, _, _, err := browser.Visit(line); err != nil {
				fmt.Fprintln(ts.Stderr(), "the browser:", err)
			}
		}
	}
	if err := cmd.Wait(); (err != nil) != neg {
		ts.Fatalf("%s: %v", strings.Join(args[1:], " "), err)
	}
}

// browse has somebody's browser, which keeps its cookies, get a page or post to it, logging in where that is asked for; the answer must have
// the status: browse ann 200 get http://127.0.0.1:$PORT/v1/whoami [origin]
func browse(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: browse user status get|post|put url [body [origin]]")
	}
	s := ts.Value(daemonKey{}).(*script)
	if s.browsers == nil {
		s.browsers = map[string]*oidcserver.Browser{}
	}
	if s.browsers[args[0]] == nil {
		s.browsers[args[0]] = oidcserver.NewBrowser(args[0]+"@example.com", args[0])
	}
	browser := s.browsers[args[0]]
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	status, page := 0, ""
	if args[2] == "get" {
		status, page, _, err = browser.Visit(args[3])
		ts.Check(err)
	} else {
		more := append(args[4:], "", "")
		req, err := http.NewRequest(strings.ToUpper(args[2]), args[3], strings.NewReader(more[0]))
		ts.Check(err)
		if more[0] != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		if more[1] != "" {
			req.Header.Set("Sec-Fetch-Site", "cross-site")
			req.Header.Set("Origin", more[1])
		}
		res, err := browser.Do(req)
		ts.Check(err)
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		ts.Check(err)
		status, page = res.StatusCode, string(text)
	}
	fmt.Fprintln(ts.Stdout(), page)
	if status != want {
		ts.Fatalf("%s %s: %d, want %d: %s", args[2], args[3], status, want, page)
	}
}
