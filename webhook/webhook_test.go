package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-sh/slipway"
)

// What the specification's own libraries are tested with.
const (
	vectorSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorTime      = 1614265330
	vectorBody      = `{"test": 2432232314}`
	vectorSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

func TestSignaturesAreThoseOfTheSpecification(t *testing.T) {
	key, err := Key(vectorSecret)
	if err != nil {
		t.Fatal(err)
	}
	if got := Sign(key, vectorID, time.Unix(vectorTime, 0), []byte(vectorBody)); got != vectorSignature {
		t.Errorf("signed %s, want %s", got, vectorSignature)
	}
}

func TestSecrets(t *testing.T) {
	a, b := NewSecret(), NewSecret()
	if key, err := Key(a); err != nil || len(key) != secretBytes || a == b {
		t.Errorf("%d bytes, %v", len(key), err)
	}
	for _, bad := range []string{"whsec_", "whsec_!!!", "whsec_c2hvcnQ="} {
		if _, err := Key(bad); slipway.CodeOf(err) != slipway.Invalid || bad != "whsec_" && strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func TestStandardWebhooksAreVerified(t *testing.T) {
	now := time.Unix(vectorTime, 0)
	forged := "v1," + strings.Repeat("A", 43) + "="
	for _, c := range []struct {
		name                     string
		id, timestamp, signature string
		body                     string
		secrets                  []string
		now                      time.Time
		refused                  string
	}{
		{name: "as it was signed"},
		{name: "one of several signatures", signature: forged + " v1a,x " + vectorSignature},
		{name: "one of several secrets", secrets: []string{NewSecret(), vectorSecret}},
		{name: "at the end of the tolerance", now: now.Add(Tolerance)},
		{name: "from a clock that is ahead", now: now.Add(-Tolerance)},
		{name: "too late", now: now.Add(Tolerance + time.Second), refused: "more than 5m0s from now"},
		{name: "too early", now: now.Add(-Tolerance - time.Second), refused: "more than 5m0s from now"},
		{name: "another body", body: `{"test": 2432232315}`, refused: "signature is not right"},
		{name: "another id", id: "msg_other", refused: "signature is not right"},
		{name: "another time", timestamp: strconv.Itoa(vectorTime + 1), refused: "signature is not right"},
		{name: "another secret", secrets: []string{NewSecret()}, refused: "signature is not right"},
		{name: "no secret", secrets: []string{}, refused: "signature is not right"},
		{name: "a forged signature", signature: forged, refused: "signature is not right"},
		{name: "no base64", signature: "v1,???", refused: "signature is not right"},
		{name: "another version", signature: strings.Replace(vectorSignature, "v1,", "v2,", 1), refused: "signature is not right"},
		{name: "seventeen signatures", signature: strings.Repeat(forged+" ", 16) + vectorSignature, refused: "signature is not right"},
		{name: "a time that is none", timestamp: "soon", refused: "no number of seconds"},
		{name: "a time of another form", timestamp: "+1614265330", refused: "no number of seconds"},
		{name: "a long id", id: strings.Repeat("x", maxID+1), refused: "more than 256 bytes"},
		{name: "no id", id: "-", refused: "no header webhook-id"},
		{name: "no time", timestamp: "-", refused: "no header webhook-timestamp"},
		{name: "no signature", signature: "-", refused: "no header webhook-signature"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := header(HeaderID, vectorID, HeaderTimestamp, strconv.Itoa(vectorTime), HeaderSignature, vectorSignature)
			for name, value := range map[string]string{HeaderID: c.id, HeaderTimestamp: c.timestamp, HeaderSignature: c.signature} {
				if value == "-" {
					h.Del(name)
				} else if value != "" {
					h.Set(name, value)
				}
			}
			body, at, secrets := vectorBody, now, []string{vectorSecret}
			if c.body != "" {
				body = c.body
			}
			if !c.now.IsZero() {
				at = c.now
			}
			if c.secrets != nil {
				secrets = c.secrets
			}
			ids, err := Verify(slipway.TriggerWebhook, h, []byte(body), secrets, at)
			refusal(t, err, c.refused)
			if err == nil && !cmp.Equal(ids, []string{"id:" + vectorID}) {
				t.Errorf("known by %v", ids)
			}
			// The same is true of a GitLab that signs.
			if _, gitlab := Verify(slipway.TriggerGitLab, h, []byte(body), secrets, at); c.signature != "-" && (gitlab == nil) != (err == nil) {
				t.Errorf("of GitLab: %v", gitlab)
			}
		})
	}
}

func refusal(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "":
		if err != nil {
			t.Error(err)
		}
	case !strings.Contains(err.Error(), want):
		t.Errorf("%v, want a refusal with %q", err, want)
	case strings.Contains(err.Error(), "a replay") && slipway.CodeOf(err) != slipway.Refused, !strings.Contains(err.Error(), "a replay") && slipway.CodeOf(err) != slipway.Unauthenticated:
		t.Errorf("%v has code %s: want unauthenticated if it is not certain who sent it, refused if it is", err, slipway.CodeOf(err))
	}
}

func githubSignature(secret, body string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(m.Sum(nil))
}

func TestGitHubIsVerified(t *testing.T) {
	// GitHub's documentation has these to try an implementation with.
	const secret, body = "It's a Secret to Everybody", "Hello, World!"
	const right = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	for _, c := range []struct {
		name, signature string
		secrets         []string
		refused         string
	}{
		{"as it was signed", right, []string{secret}, ""},
		{"with the secret before the last rotation", right, []string{"new", secret}, ""},
		{"with another secret", right, []string{"new"}, "signature is not right"},
		{"with none", right, nil, "signature is not right"},
		{"forged", "sha256=" + strings.Repeat("0", 64), []string{secret}, "signature is not right"},
		{"cut short", right[:len(right)-2], []string{secret}, "signature is not right"},
		{"empty", "sha256=", []string{secret}, "signature is not right"},
		{"no hex", "sha256=xyz", []string{secret}, "signature is not right"},
		{"by SHA-1", "sha1=757107ea", []string{secret}, "no header X-Hub-Signature-256"},
		{"unsigned", "", []string{secret}, "no header X-Hub-Signature-256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ids, err := Verify(slipway.TriggerGitHub, header("X-Hub-Signature-256", c.signature, "X-GitHub-Delivery", "guid"), []byte(body), c.secrets, time.Now())
			refusal(t, err, c.refused)
			if err == nil && (len(ids) != 2 || ids[1] != "id:guid") {
				t.Errorf("known by %v", ids)
			}
		})
	}
}

func TestGitLabIsVerified(t *testing.T) {
	for _, c := range []struct {
		name    string
		header  http.Header
		refused string
		id      string
	}{
		{"by its token", header("X-Gitlab-Token", "s3cret", "Idempotency-Key", "key-1"), "", "id:key-1"},
		{"of an older one", header("X-Gitlab-Token", "s3cret", "X-Gitlab-Event-UUID", "uuid-1"), "", "id:uuid-1 " + bodyID([]byte("{}"))},
		{"by another token", header("X-Gitlab-Token", "s3cre7"), "X-Gitlab-Token is not right", ""},
		{"by part of the token", header("X-Gitlab-Token", "s3cre"), "X-Gitlab-Token is not right", ""},
		{"without one", header(), "neither a header", ""},
		{"by the token and a signature that is forged", header("X-Gitlab-Token", "s3cret", HeaderID, "a", HeaderTimestamp, "1", HeaderSignature, "v1,AAAA"), "signature is not right", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			ids, err := Verify(slipway.TriggerGitLab, c.header, []byte("{}"), []string{"s3cret"}, time.Now())
			refusal(t, err, c.refused)
			if err == nil && !cmp.Equal(ids, []string{c.id}) {
				t.Errorf("known by %v", ids)
			}
		})
	}
}

func TestWhatIsRead(t *testing.T) {
	for _, c := range []struct {
		name, event string
		kind        slipway.TriggerKind
		body        string
		want        Message
	}{
		{
			"github-push", "push", slipway.TriggerGitHub, "", Message{
				Event: "push", Branch: "feature/login", Commit: "6113728f27ae82c7b1a177c8d03f9e96e0adf246", Author: "Ann Example <ann@example.com>",
				Build: "https://github.com/acme/hello/compare/a10867b14bb7...6113728f27ae", Changes: true, Paths: []string{"new.go", "main.go", "docs/old.md"},
			},
		},
		{"github-tag", "push", slipway.TriggerGitHub, "", Message{
			Event: "push", Tag: "v1.2.0", Commit: "6113728f27ae82c7b1a177c8d03f9e96e0adf246", Author: "Ann Example <ann@example.com>",
			Build: "https://github.com/acme/hello/compare/v1.2.0",
		}},
		{"github-release", "release", slipway.TriggerGitHub, "", Message{
			Event: "release", Tag: "v1.2.0", Author: "ann", Build: "https://github.com/acme/hello/releases/tag/v1.2.0",
		}},
		{"github-workflow-run", "workflow_run", slipway.TriggerGitHub, "", Message{
			Event: "workflow_run", Branch: "main", Commit: "6113728f27ae82c7b1a177c8d03f9e96e0adf246", Author: "Ann Example <ann@example.com>", Workflow: "CI",
			BuildKey: "289782451", Build: "https://github.com/acme/hello/actions/runs/289782451",
		}},
		{"gitlab-push", "", slipway.TriggerGitLab, "", Message{
			Event: "push", Branch: "main", Commit: "da1560886d4f094c3e6c9ef40349f7d38b5d27d7", Author: "Ann Example <ann@example.com>",
			Build: "https://gitlab.example.com/acme/hello/-/commit/da1560886d4f094c3e6c9ef40349f7d38b5d27d7", Changes: true,
			Paths: []string{"CHANGELOG", "app/controller/application.rb"},
		}},
		{"gitlab-pipeline", "", slipway.TriggerGitLab, "", Message{
			Event: "pipeline", Branch: "main", Commit: "bcbb5ec396a2c0f828686f14fac9b80b780504f2", Author: "Ann Example <ann@example.com>", BuildKey: "31",
			Build: "https://gitlab.example.com/acme/hello/-/pipelines/31",
		}},
		{"gitlab-tag", "", slipway.TriggerGitLab, "", Message{
			Event: "tag_push", Tag: "v1.2.0", Commit: "da1560886d4f094c3e6c9ef40349f7d38b5d27d7", Author: "Ann Example <ann@example.com>",
			Build: "https://gitlab.example.com/acme/hello/-/commit/da1560886d4f094c3e6c9ef40349f7d38b5d27d7",
		}},
		{"gitlab-release", "", slipway.TriggerGitLab, "", Message{
			Event: "release", Tag: "v1.2.0", Commit: "da1560886d4f094c3e6c9ef40349f7d38b5d27d7", Author: "Ann Example <ann@example.com>",
			Build: "https://gitlab.example.com/acme/hello/-/releases/v1.2.0",
		}},
		{"ping", "ping", slipway.TriggerGitHub, `{"zen":"Design for failure."}`, Message{Event: "ping", Skip: "it is a ping"}},
		{"a branch that is gone", "push", slipway.TriggerGitHub, `{"ref":"refs/heads/old","after":"00","deleted":true}`, Message{Event: "push", Branch: "old", Commit: "00", Skip: "the branch was deleted"}},
		{"a tag that is gone", "", slipway.TriggerGitLab, `{"object_kind":"tag_push","ref":"refs/tags/v1","after":"0000"}`, Message{Event: "tag_push", Tag: "v1", Skip: "the tag was deleted"}},
		{"a draft", "release", slipway.TriggerGitHub, `{"action":"created"}`, Message{Event: "release", Skip: "the release was created, not published"}},
		{"a workflow that failed", "workflow_run", slipway.TriggerGitHub, `{"action":"completed","workflow_run":{"conclusion":"failure"}}`,
			Message{Event: "workflow_run", Skip: "the workflow ended with failure, not with success"}},
		{"a workflow that has begun", "workflow_run", slipway.TriggerGitHub, `{"action":"requested"}`, Message{Event: "workflow_run", Skip: "the workflow is requested, not completed"}},
		{"a pipeline that failed", "", slipway.TriggerGitLab, `{"object_kind":"pipeline","object_attributes":{"status":"failed"}}`, Message{Event: "pipeline", Skip: "the pipeline is failed, not success"}},
		{"something else", "issues", slipway.TriggerGitHub, `{"action":"opened"}`, Message{Event: "issues"}},
		{"a standard webhook", "", slipway.TriggerWebhook, `{"type":"build.done","data":{"branch":"main","commit":"c0ffee","author":"ann","build":"7","build_url":"https://ci.example.com/7","image":"v7","parameters":{"a":"b"},"paths":["x"]}}`,
			Message{Event: "build.done", Branch: "main", Commit: "c0ffee", Author: "ann", BuildKey: "7", Build: "https://ci.example.com/7", Image: "v7", Params: map[string]string{"a": "b"}, Paths: []string{"x"}, Changes: true}},
		{"facts beside the type", "", slipway.TriggerWebhook, `{"type":"t","ref":"refs/tags/v1"}`, Message{Event: "t", Tag: "v1"}},
		{"an empty body", "", slipway.TriggerWebhook, " ", Message{}},
		{"what is no link", "", slipway.TriggerWebhook, `{"build_url":"javascript:alert(1)"}`, Message{}},
		{"a link with a password", "", slipway.TriggerWebhook, `{"build_url":"https://u:p@example.com"}`, Message{}},
		{"control characters", "", slipway.TriggerWebhook, `{"author":"a\u001b[31m\nb"}`, Message{Author: "a [31m b"}},
		{"long text", "", slipway.TriggerWebhook, `{"author":"` + strings.Repeat("ä", 400) + `"}`, Message{Author: strings.Repeat("ä", 250)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := []byte(c.body)
			if c.body == "" {
				var err error
				if body, err = os.ReadFile(filepath.Join("testdata", c.name+".json")); err != nil {
					t.Fatal(err)
				}
			}
			got, err := Parse(c.kind, c.event, "application/json", body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestGitHubsForms(t *testing.T) {
	m, err := Parse(slipway.TriggerGitHub, "push", "application/x-www-form-urlencoded; charset=utf-8", []byte("payload=%7B%22ref%22%3A%22refs%2Fheads%2Fmain%22%7D"))
	if err != nil || m.Branch != "main" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	for name, c := range map[string]struct {
		kind        slipway.TriggerKind
		event, body string
	}{
		"no JSON":                      {slipway.TriggerGitHub, "push", "ref=main"},
		"a list":                       {slipway.TriggerGitLab, "", "[]"},
		"a text":                       {slipway.TriggerWebhook, "", `"push"`},
		"null":                         {slipway.TriggerWebhook, "", `null`},
		"cut off":                      {slipway.TriggerGitHub, "push", `{"ref":"refs/he`},
		"another type":                 {slipway.TriggerGitHub, "push", `{"ref":7}`},
		"no event":                     {slipway.TriggerGitHub, "", `{}`},
		"deeper than anything":         {slipway.TriggerWebhook, "", `{"data":` + strings.Repeat(`{"x":`, 20000)},
		"parameters that are not text": {slipway.TriggerWebhook, "", `{"parameters":{"a":1}}`},
	} {
		t.Run(name, func(t *testing.T) {
			if m, err := Parse(c.kind, c.event, "", []byte(c.body)); slipway.CodeOf(err) != slipway.Invalid {
				t.Errorf("%+v, %v", m, err)
			}
		})
	}
}

// FuzzParse looks for bodies that are not refused properly, and for text that is not fit to be shown.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("there are no examples", err)
	}
	for _, name := range files {
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body, "push", "application/json")
	}
	f.Add([]byte("payload=%7B%7D"), "release", "application/x-www-form-urlencoded")
	f.Add([]byte(`{"type":"\xff","branch":"\u0000"}`), "workflow_run", "")
	f.Fuzz(func(t *testing.T, body []byte, event, contentType string) {
		for _, kind := range []slipway.TriggerKind{slipway.TriggerGitHub, slipway.TriggerGitLab, slipway.TriggerWebhook} {
			m, err := Parse(kind, event, contentType, body)
			if err != nil {
				if slipway.CodeOf(err) != slipway.Invalid {
					t.Errorf("%s: %v", kind, err)
				}
				continue
			}
			for _, text := range []string{m.Event, m.Branch, m.Tag, m.Commit, m.Author, m.Build, m.BuildKey, m.Image, m.Workflow} {
				if tidy(text) != text || len(text) > maxText {
					t.Errorf("%s: %q is not fit to be shown", kind, text)
				}
			}
		}
	})
}

// FuzzVerify looks for headers that are taken without a secret.
func FuzzVerify(f *testing.F) {
	f.Add(vectorID, strconv.Itoa(vectorTime), vectorSignature, []byte(vectorBody))
	f.Add("", "-1", "v1, v1,= ,", []byte(nil))
	f.Add("x", "9223372036854775807", "sha256=", []byte("{}"))
	f.Fuzz(func(t *testing.T, id, timestamp, signature string, body []byte) {
		h := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {timestamp}, "Webhook-Signature": {signature}, "X-Hub-Signature-256": {signature}, "X-Gitlab-Token": {signature}}
		for _, kind := range []slipway.TriggerKind{slipway.TriggerGitHub, slipway.TriggerGitLab, slipway.TriggerWebhook} {
			if ids, err := Verify(kind, h, body, []string{"a secret that nobody guesses"}, time.Unix(vectorTime, 0)); slipway.CodeOf(err) != slipway.Unauthenticated {
				t.Errorf("%s: %v, %v", kind, ids, err)
			}
		}
	})
}
