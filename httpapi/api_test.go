package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

// operator, blobs, provider and pools are the domain's interfaces with the methods a test sets.
type operator struct {
	idle
	bake   func(slipway.BakeRequest) (slipway.Bake, error)
	ship   func(slipway.ShipRequest) (slipway.Execution, error)
	deploy func(slipway.DeployRequest) (slipway.Deployment, error)
	abort  func(string) error
}

func (o operator) Bake(ctx context.Context, r slipway.BakeRequest) (slipway.Bake, error) {
	if o.bake == nil {
		return o.idle.Bake(ctx, r)
	}
	return o.bake(r)
}

func (o operator) Ship(ctx context.Context, r slipway.ShipRequest) (slipway.Execution, error) {
	if o.ship == nil {
		return o.idle.Ship(ctx, r)
	}
	return o.ship(r)
}

func (o operator) Deploy(ctx context.Context, r slipway.DeployRequest) (slipway.Deployment, error) {
	if o.deploy == nil {
		return o.idle.Deploy(ctx, r)
	}
	return o.deploy(r)
}

func (o operator) Abort(ctx context.Context, id string) error {
	if o.abort == nil {
		return o.idle.Abort(ctx, id)
	}
	return o.abort(id)
}

type blobs struct {
	slipway.Blobs
	mu     sync.Mutex
	stored map[slipway.Digest][]byte
}

func (b *blobs) Missing(_ context.Context, digests []slipway.Digest) (missing []slipway.Digest, _ error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range digests {
		if _, ok := b.stored[d]; !ok {
			missing = append(missing, d)
		}
	}
	return missing, nil
}

func (b *blobs) PutBlob(_ context.Context, want slipway.Digest, size int64, r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if size >= 0 && size != int64(len(data)) {
		return fmt.Errorf("announced %d bytes, sent %d", size, len(data))
	}
	if slipway.DigestOf(data) != want {
		return slipway.Errorf(slipway.Invalid, "cannot store the blob: its content is not %s", want)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stored[want] = data
	return nil
}

type provider struct {
	slipway.Provider
	groups []slipway.ServerGroup
	logs   func(lines int, follow bool) (io.ReadCloser, error)
}

func (p *provider) ServerGroups(context.Context) ([]slipway.ServerGroup, error) { return p.groups, nil }

func (p *provider) ServerGroup(_ context.Context, name string) (slipway.ServerGroup, error) {
	for _, g := range p.groups {
		if g.Name == name {
			return g, nil
		}
	}
	return slipway.ServerGroup{}, slipway.Errorf(slipway.NotFound, "cannot find server group %q", name)
}

func (p *provider) Instances(context.Context) (all []slipway.Instance, _ error) {
	for _, g := range p.groups {
		all = append(all, g.Instances...)
	}
	return all, nil
}

func (p *provider) Instance(_ context.Context, id string) (slipway.Instance, error) {
	all, _ := p.Instances(context.Background())
	for _, i := range all {
		if i.ID == id {
			return i, nil
		}
	}
	return slipway.Instance{}, slipway.Errorf(slipway.NotFound, "cannot find instance %q", id)
}

func (p *provider) Logs(_ context.Context, _ string, lines int, follow bool) (io.ReadCloser, error) {
	if p.logs == nil {
		return nil, slipway.Errorf(slipway.NotFound, "cannot read logs: there are none")
	}
	return p.logs(lines, follow)
}

type pools map[string]slipway.PoolStatus

func (p pools) Pool(_ context.Context, name string) (slipway.PoolStatus, error) {
	if s, ok := p[name]; ok {
		return s, nil
	}
	return slipway.PoolStatus{}, slipway.Errorf(slipway.NotFound, "cannot find load balancer %q", name)
}

func (s *server) do(t testing.TB, method, path, body string, header ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header
}

func (s *server) get(t testing.TB, path string, into any) {
	t.Helper()
	status, body, _ := s.do(t, "GET", path, "")
	if status != http.StatusOK {
		t.Fatalf("GET %s: %d %s", path, status, body)
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		t.Fatal(err)
	}
}

func TestDescription(t *testing.T) {
	s := serve(t)
	var doc map[string]any
	s.get(t, "/openapi.json", &doc)
	if doc["openapi"] != "3.1.0" {
		t.Errorf("openapi: %v", doc["openapi"])
	}
	schemas := doc["components"].(map[string]any)["schemas"].(map[string]any)
	var refs func(at string, v any)
	refs = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				if _, ok := schemas[strings.TrimPrefix(ref, "#/components/schemas/")]; !ok {
					t.Errorf("%s refers to %s, which does not exist", at, ref)
				}
			}
			for k, v := range v {
				refs(at+"/"+k, v)
			}
		case []any:
			for i, v := range v {
				refs(fmt.Sprintf("%s/%d", at, i), v)
			}
		}
	}
	refs("", doc)

	a := &api{}
	ids := map[string]bool{}
	for _, r := range a.routes() {
		op, ok := doc["paths"].(map[string]any)[r.path].(map[string]any)[strings.ToLower(r.method)].(map[string]any)
		if !ok {
			t.Errorf("%s %s is not described", r.method, r.path)
			continue
		}
		if op["operationId"] != r.id || ids[r.id] || op["summary"] == "" || op["x-access"] != r.access.String() {
			t.Errorf("%s %s: %v", r.method, r.path, op)
		}
		ids[r.id] = true
	}
	problem, _ := json.Marshal(schemas["Problem"])
	for _, want := range []string{`"code"`, `"place"`, `"not_found"`} {
		if !strings.Contains(string(problem), want) {
			t.Errorf("the schema of problems lacks %s: %s", want, problem)
		}
	}
}

func TestHealth(t *testing.T) {
	s := serve(t)
	var got map[string]any
	s.get(t, "/healthz", &got)
	if fmt.Sprint(got) != "map[ready:true role:active version:1.2.3]" {
		t.Error(got)
	}
	s = serve(t, func(c *Config) {
		c.Parts = func() []ServerPart { return []ServerPart{{Name: "temporal", Since: time.Unix(0, 0).UTC()}} }
	})
	s.get(t, "/healthz", &got) // it is ready all the same: it says so of what it cannot do
	if fmt.Sprint(got["ready"], got["parts"]) != "true [map[name:temporal ok:false since:1970-01-01T00:00:00Z]]" {
		t.Error(got)
	}
}

func TestProblems(t *testing.T) {
	s := serve(t)
	ops := s.Operator.(*operator)
	var fails error
	ops.abort = func(string) error { return fails }
	for _, c := range []struct {
		err    error
		status int
		code   slipway.Code
		detail string
		place  string
	}{
		{slipway.Errorf(slipway.Invalid, "cannot a").At("image.from"), 422, slipway.Invalid, "cannot a", "image.from"},
		{slipway.Errorf(slipway.NotFound, "cannot b"), 404, slipway.NotFound, "cannot b", ""},
		{slipway.Errorf(slipway.Conflict, "cannot c"), 409, slipway.Conflict, "cannot c", ""},
		{slipway.Errorf(slipway.Refused, "cannot d"), 403, slipway.Refused, "cannot d", ""},
		{slipway.Errorf(slipway.Unprepared, "cannot e"), 503, slipway.Unprepared, "cannot e", ""},
		{slipway.Errorf(slipway.Corrupt, "cannot f"), 500, slipway.Corrupt, "cannot f", ""},
		{slipway.Errorf(slipway.Failed, "cannot g"), 422, slipway.Failed, "cannot g", ""},
		{slipway.Errorf(slipway.DeadlinePast, "cannot h"), 504, slipway.DeadlinePast, "cannot h", ""},
		{slipway.Errorf(slipway.Unavailable, "cannot i"), 503, slipway.Unavailable, "cannot i", ""},
		{slipway.Errorf(slipway.ClosedByAbort, "cannot j"), 409, slipway.ClosedByAbort, "cannot j", ""},
		{fmt.Errorf("while k: %w", slipway.Errorf(slipway.NotFound, "cannot k")), 404, slipway.NotFound, "cannot k", ""},
		{errors.Join(slipway.Errorf(slipway.Invalid, "cannot l").At("x"), slipway.Errorf(slipway.Invalid, "cannot m")), 422, slipway.Invalid, "cannot l", "x"},
		{slipway.Errorf(slipway.Internal, "secret"), 500, slipway.Internal, "internal error ", ""},
		{errors.New("secret"), 500, slipway.Internal, "internal error ", ""},
	} {
		fails = c.err
		status, body, header := s.do(t, "POST", "/v1/abort/b-1", "")
		var p Problem
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Fatal(err)
		}
		if status != c.status || p.Status != c.status || p.Code != c.code || !strings.HasPrefix(p.Detail, c.detail) || p.Place != c.place ||
			p.Title != http.StatusText(c.status) || header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%v: %d %s %s", c.err, status, header.Get("Content-Type"), body)
		}
		if strings.Contains(body, "secret") {
			t.Errorf("%v is shown: %s", c.err, body)
		}
		if c.code == slipway.Internal {
			id := strings.TrimSuffix(strings.TrimPrefix(p.Detail, "internal error "), "; slipwayd's log has the details")
			if log := s.log.String(); !strings.Contains(log, "id="+id) || !strings.Contains(log, "secret") {
				t.Errorf("the log lacks %s: %s", id, log)
			}
		}
		if joined, ok := c.err.(interface{ Unwrap() []error }); ok && len(p.Errors) != len(joined.Unwrap()) {
			t.Errorf("%v: %d errors: %s", c.err, len(p.Errors), body)
		}
	}
	fails = nil
	if status, body, _ := s.do(t, "POST", "/v1/abort/b-1", ""); status != http.StatusAccepted || body != "" {
		t.Errorf("abort: %d %s", status, body)
	}
}

func TestBadRequests(t *testing.T) {
	s := serve(t)
	spec := `{"application":"shop","image":{"from":"scratch","service":{"command":["/a"]}}}`
	for _, c := range []struct {
		method, path, body string
		status             int
		code               slipway.Code
		place, detail      string
	}{
		{"POST", "/v1/bakes", `{"spec":{"aplication":"x"},"context":[]}`, 422, slipway.Invalid, "", "application"},
		{"POST", "/v1/bakes", `{"spec":` + strings.Replace(spec, `"service"`, `"extra":1,"service"`, 1) + `,"context":[]}`, 422, slipway.Invalid, "image.extra", "unexpected"},
		{"POST", "/v1/bakes", `{"spec":` + strings.Replace(spec, "shop", "Shop", 1) + `,"context":[]}`, 422, slipway.Invalid, "application", "Shop"},
		{"POST", "/v1/bakes", `{"spec":` + spec + `,"context":[{"path":1,"mode":420}]}`, 422, slipway.Invalid, "context[0].path", "string"},
		{"POST", "/v1/bakes", `{"spec":`, 400, slipway.Invalid, "", "JSON"},
		{"POST", "/v1/bakes", ``, 400, slipway.Invalid, "", "body"},
		{"POST", "/v1/deployments", `{"cluster":{"application":"shop","environment":"prod"},"image":"v1","environment":{"size":"three"}}`, 422, slipway.Invalid, "", "number"},
		{"POST", "/v1/deployments", `{"cluster":{"application":"shop","environment":"prod"},"image":"v1","environment":{"strategy":"sideways"}}`, 422, slipway.Invalid, "", "sideways"},
		{"POST", "/v1/deployments", `{"cluster":{"application":"shop","environment":"prod"},"image":"v1","environment":{"healthy":"soon"}}`, 422, slipway.Invalid, "", "soon"},
		{"POST", "/v1/rollbacks", `{"cluster":{"application":"","environment":"prod"}}`, 422, slipway.Invalid, "cluster.application", ""},
		{"POST", "/v1/blobs/missing", `{"digests":["sha256:1"]}`, 422, slipway.Invalid, "", "sha256:1"},
		{"PUT", "/v1/blobs/nonsense", "x", 422, slipway.Invalid, "", "nonsense"},
		{"GET", "/v1/bakes?limit=0", "", 422, slipway.Invalid, "query.limit", ""},
		{"GET", "/v1/bakes?lmit=1", "", 422, slipway.Invalid, "query.lmit", ""},
		{"GET", "/v1/events?after=x", "", 422, slipway.Invalid, "query.after", ""},
		{"GET", "/v1/bakes/b-0", "", 404, slipway.NotFound, "", "b-0"},
		{"GET", "/v1/clusters/shop/prod", "", 404, slipway.NotFound, "", "shop-prod"},
		{"GET", "/v1/releases/r-0", "", 404, slipway.NotFound, "", "r-0"},
		{"GET", "/v1/nothing", "", 404, slipway.NotFound, "", "/v1/nothing"},
		{"DELETE", "/v1/bakes", "", 405, slipway.NotFound, "", "DELETE /v1/bakes"},
	} {
		status, body, header := s.do(t, c.method, c.path, c.body)
		var p Problem
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Fatalf("%s %s: %v: %s", c.method, c.path, err, body)
		}
		if status != c.status || p.Code != c.code || p.Place != c.place || !strings.Contains(p.Detail, c.detail) || header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s %s:\n%d %s %s", c.method, c.path, c.body, status, header.Get("Content-Type"), body)
		}
		if strings.Contains(body, `"value"`) {
			t.Errorf("%s echoes the input: %s", c.path, body)
		}
	}
}

func TestWork(t *testing.T) {
	s := serve(t)
	ops := s.Operator.(*operator)
	keep := 3
	want := slipway.ShipRequest{Environments: []string{"prod"}, Deploy: slipway.DeployOptions{By: "root"}, BakeRequest: slipway.BakeRequest{
		Version: "v1",
		Context: []slipway.ContextEntry{{Path: "a", Mode: 0o644, Digest: slipway.DigestOf(nil)}, {Path: "d", Mode: 0o755, Dir: true}},
		Spec: slipway.Spec{
			Application: "shop",
			Image: slipway.ImageSpec{From: "scratch", Layers: []slipway.Layer{{Copy: &slipway.CopyLayer{From: "a", To: "/a"}}},
				Service: slipway.Service{Command: []string{"/a"}, Port: 80, Drain: slipway.Duration(time.Second)}},
			Environments: map[string]slipway.Environment{"prod": {Size: slipway.Size{Min: 1, Desired: 2, Max: 3}, Strategy: slipway.Strategy{RedBlack: &slipway.RedBlack{Keep: &keep}}}},
		},
	}}
	var got slipway.ShipRequest
	ops.ship = func(r slipway.ShipRequest) (slipway.Execution, error) {
		got = r
		return slipway.Execution{ID: "x-1"}, nil
	}
	body, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	status, answer, _ := s.do(t, "POST", "/v1/executions", string(body))
	if status != http.StatusAccepted || !strings.Contains(answer, `"id":"x-1"`) {
		t.Fatalf("%d %s", status, answer)
	}
	if a, b := string(body), mustJSON(t, got); a != b {
		t.Errorf("the operator was asked\n%s\nwant\n%s", b, a)
	}

	ops.deploy = func(r slipway.DeployRequest) (slipway.Deployment, error) {
		if r.Environment.Size != (slipway.Size{Min: 2, Desired: 2, Max: 2}) || r.Environment.Strategy.Name() != slipway.StrategyHighlander {
			t.Errorf("asked to deploy %+v", r.Environment)
		}
		return slipway.Deployment{}, slipway.Errorf(slipway.Conflict, "cannot deploy: d-7 is under way")
	}
	status, answer, _ = s.do(t, "POST", "/v1/deployments", `{"cluster":{"application":"shop","environment":"prod"},"image":"v1","environment":{"size":2,"strategy":"highlander"}}`)
	if status != http.StatusConflict || !strings.Contains(answer, "d-7") {
		t.Errorf("%d %s", status, answer)
	}
}

func TestBlobs(t *testing.T) {
	s := serve(t)
	content := strings.Repeat("slipway ", 1<<20)
	d, other := slipway.DigestOf([]byte(content)), slipway.DigestOf(nil)
	if status, body, _ := s.do(t, "PUT", "/v1/blobs/"+string(d), content); status != http.StatusNoContent || body != "" {
		t.Fatalf("put: %d %s", status, body)
	}
	if status, body, _ := s.do(t, "PUT", "/v1/blobs/"+string(other), content); status != 422 || !strings.Contains(body, `"invalid"`) {
		t.Errorf("put under another digest: %d %s", status, body)
	}
	status, body, _ := s.do(t, "POST", "/v1/blobs/missing", fmt.Sprintf(`{"digests":[%q,%q]}`, d, other))
	if status != 200 || strings.TrimSpace(body) != fmt.Sprintf(`{"missing":[%q]}`, other) {
		t.Errorf("missing: %d %s", status, body)
	}
	if _, body, _ := s.do(t, "POST", "/v1/blobs/missing", `{"digests":[]}`); strings.TrimSpace(body) != `{"missing":[]}` {
		t.Errorf("missing of none: %s", body)
	}
}

func TestRecords(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	for _, path := range []string{"/v1/bakes", "/v1/deployments", "/v1/applications", "/v1/images", "/v1/clusters", "/v1/instances", "/v1/events", "/v1/releases", "/v1/restrictions"} {
		if _, body, _ := s.do(t, "GET", path, ""); strings.TrimSpace(body) != `{"items":[]}` {
			t.Errorf("%s of nothing: %s", path, body)
		}
	}
	img := slipway.Image{Digest: slipway.DigestOf([]byte("i")), Application: "shop", Version: "v1", State: slipway.ImageReady, Created: time.Now()}
	for _, err := range []error{
		s.Store.PutApplication(ctx, slipway.Spec{Application: "shop"}),
		s.Store.PutImage(ctx, img),
		s.Store.PutBake(ctx, slipway.Bake{ID: "b-1", Application: "shop"}),
		s.Store.PutDeployment(ctx, slipway.Deployment{ID: "d-1", Cluster: slipway.Cluster{Application: "shop", Environment: "prod"}}),
		s.Store.PutExecution(ctx, slipway.Execution{ID: "x-1"}),
		s.Store.PutRelease(ctx, slipway.Release{ID: "r-1", Environment: "prod"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"/v1/applications":                           `"application":"shop"`,
		"/v1/applications/shop":                      `"application":"shop"`,
		"/v1/bakes?application=shop&limit=5":         `"id":"b-1"`,
		"/v1/bakes/b-1":                              `"id":"b-1"`,
		"/v1/deployments?environment=prod":           `"id":"d-1"`,
		"/v1/deployments/d-1":                        `"id":"d-1"`,
		"/v1/releases/r-1":                           `"id":"r-1"`,
		"/v1/releases?environment=prod&limit=5":      `"id":"r-1"`,
		"/v1/executions/x-1":                         `"id":"x-1"`,
		"/v1/images?application=shop":                img.Digest.Hex(),
		"/v1/images/shop/latest":                     img.Digest.Hex(),
		"/v1/images/shop/v1":                         img.Digest.Hex(),
		"/v1/images/shop/" + img.Digest.Short():      img.Digest.Hex(),
		"/v1/images/shop/sha256:" + img.Digest.Hex(): img.Digest.Hex(),
	} {
		if status, body, _ := s.do(t, "GET", path, ""); status != 200 || !strings.Contains(body, want) || strings.Contains(body, "$schema") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

func TestClusters(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	prod, dev, failed := slipway.Cluster{Application: "shop", Environment: "prod"}, slipway.Cluster{Application: "shop", Environment: "dev"}, slipway.Cluster{Application: "blog", Environment: "dev"}
	group := func(c slipway.Cluster, n int) slipway.ServerGroup {
		return slipway.ServerGroup{ServerGroupSpec: slipway.ServerGroupSpec{Name: c.GroupName(n), Cluster: c}, Instances: []slipway.Instance{{ID: fmt.Sprintf("i-%s-%d", c, n)}}}
	}
	p := s.Provider.(*provider)
	p.groups = []slipway.ServerGroup{group(dev, 1), group(prod, 1000), group(prod, 999), group(dev, 2)}
	route := slipway.Route{Cluster: prod, Groups: []slipway.GroupRoute{{Group: prod.GroupName(1000), Mode: slipway.Standby}, {Group: prod.GroupName(999), Mode: slipway.Active}}}
	if err := s.Store.PutRoute(ctx, route); err != nil {
		t.Fatal(err)
	}
	for n, c := range []slipway.Cluster{prod, prod, failed} {
		d := slipway.Deployment{ID: fmt.Sprintf("d-%d", n), Cluster: c, Started: time.Unix(int64(n), 0)}
		if err := s.Store.PutDeployment(ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	for n, state := range []slipway.DeploymentState{slipway.DeploymentSucceeded, slipway.DeploymentRolledBack} { // of workers
		d := slipway.Deployment{ID: fmt.Sprintf("d-dev-%d", n), Cluster: dev, Target: dev.GroupName(n + 1), State: state, Started: time.Unix(int64(n), 0)}
		if err := s.Store.PutDeployment(ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	s.Pools.(pools)["shop-prod"] = slipway.PoolStatus{LoadBalancer: "shop-prod", Requests: 42}

	var one slipway.ClusterStatus
	s.get(t, "/v1/clusters/shop/prod", &one)
	if one.Serving != "shop-prod-v999" || len(one.Groups) != 2 || one.Groups[0].Name != "shop-prod-v1000" || one.Pool == nil || one.Pool.Requests != 42 ||
		one.Route == nil || one.Deployment == nil || one.Deployment.ID != "d-1" {
		t.Errorf("%s", mustJSON(t, one))
	}
	var all struct{ Items []slipway.ClusterStatus }
	s.get(t, "/v1/clusters", &all)
	var got []string
	for _, c := range all.Items {
		got = append(got, c.Cluster.String()+":"+c.Serving)
	}
	if fmt.Sprint(got) != "[blog-dev: shop-dev:shop-dev-v001 shop-prod:shop-prod-v999]" {
		t.Error(got)
	}
}

func TestLogsAreStreamed(t *testing.T) {
	s := serve(t)
	r, w := io.Pipe()
	s.Provider.(*provider).logs = func(lines int, follow bool) (io.ReadCloser, error) {
		if lines != 7 || !follow {
			t.Errorf("asked for %d lines, follow %v", lines, follow)
		}
		return r, nil
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/v1/instances/i-1/logs?lines=7&follow=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") {
		t.Fatal(res.StatusCode, res.Header)
	}
	for _, line := range []string{"one\n", "two\n"} { // each comes through before the next is written
		if _, err := io.WriteString(w, line); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(line))
		if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != line {
			t.Fatalf("%q, %v", got, err)
		}
	}
	w.Close()
	if rest, err := io.ReadAll(res.Body); err != nil || len(rest) != 0 {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestWebPagesAreKeptOut(t *testing.T) {
	s := serve(t)
	s.Operator.(*operator).abort = func(string) error { return nil }
	host := strings.TrimPrefix(s.url, "http://")
	_, port, _ := net.SplitHostPort(host)
	for _, c := range []struct {
		name, method string
		header       []string
		status       int
	}{
		{"a program", "POST", nil, 202},
		{"by name", "POST", []string{"Host", "localhost:" + port}, 202},
		{"by IPv6", "POST", []string{"Host", "[::1]:" + port}, 202},
		{"the API's own page", "POST", []string{"Origin", "http://" + host}, 202},
		{"a foreign page", "POST", []string{"Origin", "http://evil.example"}, 403},
		{"a foreign page, new browser", "POST", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a rebound name", "POST", []string{"Host", "evil.example:" + port, "Origin", "http://evil.example:" + port}, 403},
		{"a rebound name, reading", "GET", []string{"Host", "evil.example"}, 403},
	} {
		path := "/v1/abort/b-1"
		if c.method == "GET" {
			path = "/healthz"
		}
		if status, body, _ := s.do(t, c.method, path, "", c.header...); status != c.status || status == 403 && !strings.Contains(body, `"refused"`) {
			t.Errorf("%s: %d %s", c.name, status, body)
		}
	}
}

func TestUnixSocketTakesAnyHost(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	h := &httptest.Server{Listener: l, Config: &http.Server{Handler: New(Config{Version: "1"})}}
	h.Start()
	defer h.Close()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", l.Addr().String())
	}}}
	res, err := c.Get("http://slipwayd/healthz")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Error(res.Status)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
