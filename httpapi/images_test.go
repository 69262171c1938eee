package httpapi

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
)

// asked is a catalog that answers with what it was asked, or fails.
type asked struct {
	slipway.Catalog
	err error
}

func (a asked) say(format string, args ...any) (slipway.ImageStatus, error) {
	return slipway.ImageStatus{Image: slipway.Image{From: fmt.Sprintf(format, args...)}}, a.err
}

func (a asked) Status(_ context.Context, application, ref string) (slipway.ImageStatus, error) {
	return a.say("status of %s@%s", application, ref)
}

func (a asked) Statuses(_ context.Context, application string) ([]slipway.ImageStatus, error) {
	s, err := a.say("statuses of %s", application)
	return []slipway.ImageStatus{s}, err
}

func (a asked) Ancestry(_ context.Context, application, ref string) (slipway.Ancestry, error) {
	return slipway.Ancestry{Image: slipway.Relative{From: application + "@" + ref}}, a.err
}

func (a asked) Diff(_ context.Context, older, newer slipway.Image) (slipway.ImageDiff, error) {
	return slipway.ImageDiff{Old: slipway.DiffSide{Version: older.Version}, New: slipway.DiffSide{Application: newer.Application, Version: newer.Version}}, a.err
}

func (a asked) MoveChannel(_ context.Context, application, name string, req slipway.ChannelRequest) (slipway.Channel, error) {
	return slipway.Channel{Application: application, Name: name, By: fmt.Sprintf("%+v", req)}, a.err
}

func (a asked) DeleteChannel(_ context.Context, application, name, by string) error {
	if a.err == nil && application+"@"+name+" "+by != "hello@stable ann" {
		return fmt.Errorf("asked to remove %s@%s by %s", application, name, by)
	}
	return a.err
}

func (a asked) Revoke(_ context.Context, application, ref, reason, by string) (slipway.ImageStatus, error) {
	return a.say("revoke %s@%s: %s, %s", application, ref, reason, by)
}

func (a asked) Reinstate(_ context.Context, application, ref, by string) (slipway.ImageStatus, error) {
	return a.say("reinstate %s@%s, %s", application, ref, by)
}

func (a asked) Prune(_ context.Context, req slipway.PruneRequest) (slipway.Pruned, error) {
	return slipway.Pruned{DryRun: req.DryRun, Freed: int64(*req.Keep)}, a.err
}

var catalogCalls = []struct{ method, path, body, want string }{
	{"GET", "/v1/images/hello/stable/status", "", `"from":"status of hello@stable"`},
	{"GET", "/v1/catalog?application=hello", "", `{"items":[{`},
	{"GET", "/v1/catalog?application=hello", "", `"from":"statuses of hello"`},
	{"GET", "/v1/images/hello/v1/ancestry", "", `"from":"hello@v1"`},
	{"GET", "/v1/images/hello/v1/diff", "", `"new":{"application":"hello","version":"v2"`},
	{"GET", "/v1/images/hello/v1/diff?with=%40v1", "", `"new":{"application":"hello","version":"v1"`},
	{"GET", "/v1/images/hello/v1/diff?with=shop%40v3", "", `"new":{"application":"shop","version":"v3"`},
	{"GET", "/v1/images/hello/v1/diff?with=shop", "", `"new":{"application":"shop","version":"v3"`},
	{"PUT", "/v1/images/hello/v1/revocation", `{"reason":"broken","by":"ann"}`, `"from":"revoke hello@v1: broken, ann"`},
	{"DELETE", "/v1/images/hello/v1/revocation?by=ann", "", `"from":"reinstate hello@v1, ann"`},
	{"POST", "/v1/prunes", `{"keep":3,"dry_run":true}`, `"freed":3,"dry_run":true`},
	{"PUT", "/v1/channels/hello/stable", `{"image":"v1","if_at":"v2","create":true,"by":"ann"}`, `"name":"stable","image":"","moved":"0001-01-01T00:00:00Z","by":"{Image:v1 IfAt:v2 Create:true By:ann}"`},
	{"DELETE", "/v1/channels/hello/stable?by=ann", "", ""},
}

func TestCatalog(t *testing.T) {
	s := serve(t, func(c *Config) { c.Catalog = asked{} })
	for _, name := range []string{"hello v1", "hello v2", "shop v3"} {
		application, version, _ := strings.Cut(name, " ")
		image := slipway.Image{Digest: slipway.DigestOf([]byte(name)), Application: application, Version: version, State: slipway.ImageReady, Created: slipway.Image{}.Created.AddDate(2000, 0, len(version+name))}
		if version == "v2" {
			image.Created = image.Created.AddDate(1, 0, 0)
		}
		if err := s.Store.PutImage(t.Context(), image); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Store.MoveChannel(t.Context(), slipway.ChannelMove{Application: "hello", Name: "stable", Image: slipway.DigestOf([]byte("hello v1")), Create: true}); err != nil {
		t.Fatal(err)
	}
	for _, c := range catalogCalls {
		if status, body, _ := s.do(t, c.method, c.path, c.body); status/100 != 2 || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s, want %s", c.method, c.path, status, body, c.want)
		}
	}
	for path, want := range map[string]string{
		"/v1/channels?application=hello": `"name":"stable"`, "/v1/channels?application=shop": `{"items":[]}`, "/v1/images/hello/stable": `"version":"v1"`,
	} {
		if status, body, _ := s.do(t, "GET", path, ""); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s, want %s", path, status, body, want)
		}
	}
}

func TestCatalogFailures(t *testing.T) {
	for code, status := range map[slipway.Code]int{slipway.Refused: 403, slipway.NotFound: 404, slipway.Conflict: 409} {
		s := serve(t, func(c *Config) { c.Catalog = asked{err: slipway.Errorf(code, "cannot do it")} })
		if err := s.Store.PutImage(t.Context(), slipway.Image{Digest: slipway.DigestOf(nil), Application: "hello", Version: "v1", State: slipway.ImageReady}); err != nil {
			t.Fatal(err)
		}
		for _, c := range catalogCalls {
			if strings.Contains(c.path, "shop") {
				continue
			}
			if got, body, _ := s.do(t, c.method, c.path, c.body); got != status || !strings.Contains(body, `"detail":"cannot do it"`) {
				t.Errorf("%s %s: %d %s, want %d", c.method, c.path, got, body, status)
			}
		}
	}
}
