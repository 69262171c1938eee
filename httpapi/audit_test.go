package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/audit"
)

// entries returns the audit log, oldest first.
func (s *server) entries(t testing.TB) []slipway.AuditEntry {
	t.Helper()
	all, err := s.Store.(slipway.AuditLog).AuditEntries(t.Context(), slipway.AuditFilter{Uploads: true}, 0)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(all)
	return all
}

// TestEveryChangeIsAudited sends nonsense to every route there is. Those that may change something leave a trace, whatever becomes of the
// request; those that only answer leave none.
func TestEveryChangeIsAudited(t *testing.T) {
	s := serve(t)
	ops := s.Operator.(*operator)
	ops.abort = func(string) error { return nil }
	for _, r := range (&api{}).routes() {
		if r.method == http.MethodGet {
			if r.changes() {
				t.Errorf("%s: a GET changes something", r.id)
			}
			continue
		}
		if !r.changes() && r.access.role != slipway.RoleViewer && r.access.level != identified {
			t.Errorf("%s: it needs more than a viewer, and is said to change nothing", r.id)
		}
		if r.changes() && r.access.role == slipway.RoleViewer {
			t.Errorf("%s: a viewer may change something", r.id)
		}
		before := len(s.entries(t))
		path := strings.NewReplacer("{", "x-", "}", "").Replace(r.path)
		req, err := http.NewRequestWithContext(t.Context(), r.method, s.url+path, strings.NewReader(`{"nonsense":`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		status := http.StatusInternalServerError
		if res, err := http.DefaultClient.Do(req); err == nil { // it panics where the test has no part to answer with: that is audited, too
			status = res.StatusCode
			res.Body.Close()
		}
		after := s.entries(t)[before:]
		if !r.changes() {
			if len(after) != 0 {
				t.Errorf("%s: a question is audited: %+v", r.id, after)
			}
			continue
		}
		if len(after) == 0 {
			t.Errorf("%s: %d, and the audit log says nothing", r.id, status)
			continue
		}
		last := after[len(after)-1]
		if last.Action != r.id || last.Path != path || last.Status != status || last.By.Name == "" {
			t.Errorf("%s: %d, and the audit log says %+v", r.id, status, last)
		}
		if status >= 400 && last.Code == "" {
			t.Errorf("%s: %d, and the audit log does not say why: %+v", r.id, status, last)
		}
	}
}

func TestAuditOfWhatIsDone(t *testing.T) {
	s := serve(t)
	ops := s.Operator.(*operator)
	var at []slipway.AuditEntry // when it was done
	ops.deploy = func(r slipway.DeployRequest) (slipway.Deployment, error) {
		at = s.entries(t)
		if r.Image == "v9" {
			return slipway.Deployment{}, slipway.Errorf(slipway.NotFound, "cannot find image %q of hello", r.Image).At("image")
		}
		return slipway.Deployment{ID: "d-1", Cluster: r.Cluster, State: slipway.DeploymentRunning}, nil
	}
	request := `{"cluster":{"application":"hello","environment":"prod"},"image":"v2","reason":"CVE-2026-1","environment":{"size":1,"checks":[{"webhook":{"url":"https://hooks.example.com/x?token=hunter2","headers":{"X-Key":"hunter2"}}}]}}`
	if status, body, _ := s.do(t, "POST", "/v1/deployments", request, "User-Agent", "test/1"); status != http.StatusAccepted {
		t.Fatal(status, body)
	}
	all := s.entries(t)
	if len(at) != 1 || len(all) != 2 {
		t.Fatalf("while it was done %d entries, then %d", len(at), len(all))
	}
	asked, done := all[0], all[1]
	if asked.Phase != slipway.AuditAsked || asked.Application != "hello" || asked.Environment != "prod" || asked.Client != "test/1" ||
		asked.By.Address != "127.0.0.1" || asked.Method != "POST" || asked.Path != "/v1/deployments" || !strings.Contains(string(asked.Input), `"image":"v2"`) {
		t.Errorf("asked: %+v", asked)
	}
	if done.Phase != slipway.AuditDone || done.Asked != asked.Seq || done.Status != 202 || done.Code != "" || done.Object != "d-1" ||
		!strings.Contains(string(done.After), `"state":"running"`) || done.Input != nil {
		t.Errorf("done: %+v", done)
	}
	if text, _ := json.Marshal(all); strings.Contains(string(text), "hunter2") {
		t.Errorf("a secret is in the audit log: %s", text)
	}

	s.do(t, "POST", "/v1/deployments", strings.Replace(request, `"v2"`, `"v9"`, 1))
	all = s.entries(t)
	if last := all[len(all)-1]; last.Phase != slipway.AuditDone || last.Status != 404 || last.Code != slipway.NotFound || last.Place != "image" || !strings.Contains(last.Message, "v9") {
		t.Errorf("of what failed: %+v", last)
	}
}

func TestAuditOfWhatIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		method, path, body string
		header             []string
		status             int
		code               slipway.Code
		place              string
	}{
		"malformed":     {"POST", "/v1/bakes", `{"spec":`, nil, 400, slipway.Invalid, ""},
		"unknown field": {"POST", "/v1/rollbacks", `{"cluster":{"application":"a","environment":"b"},"odd":1}`, nil, 422, slipway.Invalid, "odd"},
		"wrong type":    {"POST", "/v1/rollbacks", `{"cluster":{"application":"a","environment":7}}`, nil, 422, slipway.Invalid, "cluster.environment"},
		"another page":  {"POST", "/v1/abort/b-1", ``, []string{"Sec-Fetch-Site", "cross-site"}, 403, slipway.Refused, ""},
		"another host":  {"POST", "/v1/abort/b-1", ``, []string{"Host", "evil.example.com"}, 403, slipway.Refused, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			s.Operator.(*operator).abort = func(string) error { t.Error("it was done"); return nil }
			status, body, _ := s.do(t, c.method, c.path, c.body, c.header...)
			all := s.entries(t)
			if status != c.status || len(all) != 1 {
				t.Fatalf("%d %s, and %d entries", status, body, len(all))
			}
			if e := all[0]; e.Phase != slipway.AuditRefused || e.Status != c.status || e.Code != c.code || e.Place != c.place || e.Message == "" || e.Input != nil {
				t.Errorf("%+v", e)
			}
		})
	}
}

// broken is an audit log that cannot be written after some entries.
type broken struct {
	slipway.AuditLog
	good int
}

func (b *broken) AppendAudit(ctx context.Context, e slipway.AuditEntry) (slipway.AuditEntry, error) {
	if b.good--; b.good < 0 {
		return e, errors.New("disk full of hunter2")
	}
	return b.AuditLog.AppendAudit(ctx, e)
}

func TestNothingIsDoneUnrecorded(t *testing.T) {
	var log broken
	s := serve(t, func(c *Config) {
		log.AuditLog = c.Store.(slipway.AuditLog)
		c.Audit = &log
	})
	did := 0
	s.Operator.(*operator).abort = func(string) error { did++; return nil }
	status, body, _ := s.do(t, "POST", "/v1/abort/b-1", "")
	if status != http.StatusServiceUnavailable || did != 0 || !strings.Contains(body, "the audit log cannot be written") || strings.Contains(body, "hunter2") {
		t.Errorf("%d %s, done %d times", status, body, did)
	}
	log.good = 1 // it breaks between the two entries: what was done is open, and slipwayd's own log says what came of it
	if status, body, _ := s.do(t, "POST", "/v1/abort/b-2", ""); status != http.StatusAccepted || did != 1 {
		t.Errorf("%d %s, done %d times", status, body, did)
	}
	if !strings.Contains(s.log.String(), "this is not in it") || !strings.Contains(s.log.String(), "object=b-2") {
		t.Errorf("the log: %s", s.log)
	}
	lines, _ := s.Store.(slipway.AuditLog).AuditLines(t.Context(), 0, 10)
	if sum, err := audit.Verify(strings.NewReader(strings.Join(lines, "\n"))); err != nil || !slices.Equal(sum.Open, []int64{1}) {
		t.Errorf("%+v, %v", sum, err)
	}
	if status, _, _ := s.do(t, "GET", "/v1/bakes", ""); status != http.StatusOK {
		t.Errorf("questions are answered with %d", status)
	}
}

// channelMover is a catalog that moves channels.
type channelMover struct {
	slipway.Catalog
	store slipway.Store
}

func (l channelMover) MoveChannel(ctx context.Context, application, name string, r slipway.ChannelRequest) (slipway.Channel, error) {
	return l.store.MoveChannel(ctx, slipway.ChannelMove{Application: application, Name: name, Image: slipway.Digest(r.Image), Create: true, By: r.By})
}

func TestAuditBeforeAndAfter(t *testing.T) {
	s := serve(t, func(c *Config) { c.Catalog = channelMover{store: c.Store} })
	one, two := slipway.DigestOf([]byte("1")), slipway.DigestOf([]byte("2"))
	for _, d := range []slipway.Digest{one, two} {
		if err := s.Store.PutImage(t.Context(), slipway.Image{Digest: d, Application: "hello", State: slipway.ImageReady}); err != nil {
			t.Fatal(err)
		}
		if status, body, _ := s.do(t, "PUT", "/v1/channels/hello/stable", fmt.Sprintf(`{"image":%q}`, d)); status != http.StatusOK {
			t.Fatal(status, body)
		}
	}
	all := s.entries(t)
	if len(all) != 4 {
		t.Fatal(len(all))
	}
	first, asked, second := all[1], all[2], all[3]
	if first.Before != nil || !strings.Contains(string(first.After), string(one)) || first.Changes != nil || first.Object != "stable" || first.Application != "hello" {
		t.Errorf("made: %+v", first)
	}
	if !strings.Contains(string(asked.Before), string(one)) || !strings.Contains(string(second.After), string(two)) {
		t.Errorf("moved: %+v", second)
	}
	if len(second.Changes) == 0 || second.Changes[0].Path != "image" || !strings.Contains(string(second.Changes[0].Before), string(one)) {
		t.Errorf("changes: %+v", second.Changes)
	}
}

func TestUploadsAreAuditedOnce(t *testing.T) {
	s := serve(t)
	d := slipway.DigestOf([]byte("content"))
	s.do(t, "PUT", "/v1/blobs/"+string(d), "content")
	s.do(t, "PUT", "/v1/blobs/"+string(d), "other content")
	all := s.entries(t)
	if len(all) != 2 || all[0].Code != "" || all[0].Object != string(d) || all[0].Asked != 0 || all[1].Code != slipway.Invalid {
		t.Errorf("%+v", all)
	}
	var listed struct{ Items []slipway.AuditEntry }
	s.get(t, "/v1/audit", &listed)
	if len(listed.Items) != 1 || listed.Items[0].Code != slipway.Invalid {
		t.Errorf("listed: %+v", listed.Items)
	}
	s.get(t, "/v1/audit?uploads=true", &listed)
	if len(listed.Items) != 2 {
		t.Errorf("listed with uploads: %+v", listed.Items)
	}
}

func TestAuditOfPanics(t *testing.T) {
	s := serve(t)
	s.Operator.(*operator).abort = func(string) error { panic(http.ErrAbortHandler) }
	req, _ := http.NewRequestWithContext(t.Context(), "POST", s.url+"/v1/abort/b-1", nil)
	if res, err := http.DefaultClient.Do(req); err == nil {
		res.Body.Close()
		t.Errorf("answered %d", res.StatusCode)
	}
	if all := s.entries(t); len(all) != 2 || all[1].Code != slipway.Internal || all[1].Asked != 1 {
		t.Errorf("%+v", all)
	}
}

func TestAuditOfLongInput(t *testing.T) {
	s := serve(t)
	s.Operator.(*operator).bake = func(slipway.BakeRequest) (slipway.Bake, error) { return slipway.Bake{ID: "b-1"}, nil }
	var context []string
	for i := range 5000 {
		context = append(context, fmt.Sprintf(`{"path":"file-%d","mode":420,"digest":%q,"size":3}`, i, slipway.DigestOf([]byte("x"))))
	}
	spec := `{"application":"shop","image":{"from":"scratch","service":{"command":["/a"]}}}`
	if status, body, _ := s.do(t, "POST", "/v1/bakes", `{"spec":`+spec+`,"context":[`+strings.Join(context, ",")+`]}`); status != http.StatusAccepted {
		t.Fatal(status, body)
	}
	e := s.entries(t)[0]
	if len(e.Input) > 16<<10 || !strings.Contains(string(e.Input), "… 4980 more") || e.Application != "shop" {
		t.Errorf("%d bytes: %.300s", len(e.Input), e.Input)
	}
}

func TestExportAudit(t *testing.T) {
	s := serve(t)
	s.Operator.(*operator).abort = func(string) error { return nil }
	for i := range 3 {
		s.do(t, "POST", fmt.Sprintf("/v1/abort/b-%d", i), "")
	}
	status, body, header := s.do(t, "GET", "/v1/audit/export", "")
	if status != http.StatusOK || header.Get("Content-Type") != transferLines {
		t.Fatal(status, header)
	}
	if sum, err := audit.Verify(strings.NewReader(body)); err != nil || sum.Entries != 6 || sum.First != 1 {
		t.Errorf("%+v, %v", sum, err)
	}
	_, body, _ = s.do(t, "GET", "/v1/audit/export?after=4", "")
	if sum, err := audit.Verify(strings.NewReader(body)); err != nil || sum.Entries != 2 || sum.First != 5 {
		t.Errorf("%+v, %v", sum, err)
	}
	s.Checkpoint = nil
	s.url = serveHandler(t, asRoot(New(s.Config)))
	if status, body, _ := s.do(t, "GET", "/v1/audit/checkpoint", ""); status != http.StatusServiceUnavailable {
		t.Errorf("without a key: %d %s", status, body)
	}
}
