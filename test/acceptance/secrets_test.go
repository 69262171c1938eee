package acceptance

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway/test/daemon"
)

// marked stands in for every secret.
const marked = "m4rked-s3cret-0f-s0mebody"

// TestSecretsAreNowhere hands marked secrets to a real slipwayd, in every place that takes one and in many that do not, mostly so that
// something goes wrong with it, and looks for them in all that is left: answers, log, events, audit log, and every file that it keeps.
func TestSecretsAreNowhere(t *testing.T) {
	d := daemon.ForTest(t)
	socket := strings.TrimPrefix(d.Address(), "unix:")
	http := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	encoded := base64.StdEncoding.EncodeToString([]byte(marked))
	spec := `{"application":"hidden","image":{"from":"scratch","service":{"command":["/a"]}}}`
	environment := func(rest string) string {
		return `{"cluster":{"application":"hidden","environment":"prod"},"image":"v1","environment":{"size":1` + rest + `}}`
	}
	answers := map[string][]byte{}
	for i, c := range []struct{ method, path, body, header string }{
		{"POST", "/v1/secrets", `{"values":{"npm":"` + encoded + `"}}`, ""},
		{"POST", "/v1/secrets", `{"values":{"npm":"` + marked + `"}}`, ""}, // no base64
		{"POST", "/v1/secrets", `{"values":{"npm":["` + encoded + `"]}}`, ""},
		{"POST", "/v1/secrets", `{"values":{"npm":"` + encoded + `"}`, ""}, // cut off
		{"POST", "/v1/abort/b-1", ``, "Authorization: Bearer " + marked},
		{"GET", "/v1/bakes", ``, "Authorization: Bearer " + marked},
		{"GET", "/v1/bakes", ``, "Cookie: slipway_session=" + marked},
		{"POST", "/v1/abort/b-1?token=" + marked, ``, ""},
		{"POST", "/v1/nothing?access_token=" + marked, ``, ""},
		{"POST", "/v1/bakes", `{"spec":` + spec + `,"context":[],"build":{"repository":"https://ci:` + marked + `@git.example.com/x"}}`, ""},
		{"POST", "/v1/pulls", `{"from":"https://ci:` + marked + `@127.0.0.1:1/x:1"}`, ""},
		{"POST", "/v1/pulls", `{"from":"ci:` + marked + `@127.0.0.1:1/x:1"}`, ""},
		{"POST", "/v1/deployments", environment(`,"checks":[{"webhook":{"url":"https://ci:` + marked + `@hooks.example.com/"}}]`), ""},
		{"POST", "/v1/deployments", environment(`,"checks":[{"webhook":{"url":"https://hooks.example.com/?token=` + marked + `"}}]`), ""},
		{"POST", "/v1/deployments", environment(`,"checks":[{"webhook":{"url":"https://hooks.example.com/","headers":{"Authorization":"Bearer ` + marked + `"}}}]`), ""},
		{"POST", "/v1/deployments", environment(`,"prometheus":"http://ci:` + marked + `@127.0.0.1:1/"`), ""},
		{"POST", "/v1/config/hidden/prod", `{"set":[{"key":"DB","type":"secret","value":"` + marked + `"}]}`, ""},
		{"POST", "/v1/config/hidden/prod", `{"set":[{"key":"DB","value":"` + marked + `"}]}`, ""},
		{"POST", "/v1/config/hidden/prod", `{"set":[{"key":"d b","type":"secret","value":"` + marked + `"}]}`, ""},
	} {
		req, err := newRequest(t.Context(), c.method, "http://slipwayd"+c.path, c.body)
		if err != nil {
			t.Fatal(err)
		}
		if name, value, ok := strings.Cut(c.header, ": "); ok {
			req.Header.Set(name, value)
		}
		res, err := http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		answers[fmt.Sprintf("answer %d to %s %s: %s", i, c.method, strings.ReplaceAll(c.path, marked, "…"), res.Status)] = text
		if res.StatusCode >= 500 {
			t.Errorf("%s %s: %s %s", c.method, c.path, res.Status, text)
		}
	}
	for _, path := range []string{"/v1/events?limit=10000", "/v1/audit?limit=1000", "/v1/audit/export", "/v1/applications", "/v1/restrictions"} {
		res, err := http.Get("http://slipwayd" + path)
		if err != nil {
			t.Fatal(err)
		}
		answers["GET "+path], err = io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := bytes.Count(answers["GET /v1/audit/export"], []byte("\n")); n < 15 {
		t.Errorf("the audit log has only %d entries", n)
	}
	if !bytes.Contains(answers["GET /v1/audit/export"], []byte("[redacted]")) {
		t.Error("nothing was taken out of the audit log: the secrets did not get there, and the test proves nothing")
	}
	log, err := os.ReadFile(d.LogPath())
	if err != nil {
		t.Fatal(err)
	}
	answers["slipwayd's log"] = log
	for what, text := range answers {
		secretIn(t, what, text, encoded)
	}
	err = filepath.WalkDir(d.Data, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil // it went away
		}
		text, err := os.ReadFile(path)
		if err == nil {
			secretIn(t, path, text, encoded)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func newRequest(ctx context.Context, method, url, body string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err == nil && body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, err
}

func secretIn(t *testing.T, what string, text []byte, encoded string) {
	t.Helper()
	for _, secret := range []string{marked, encoded, strings.TrimRight(encoded, "=")} {
		if at := bytes.Index(text, []byte(secret)); at >= 0 {
			t.Errorf("a secret is in %s: …%s…", what, text[max(0, at-100):min(len(text), at+len(secret)+40)])
			return
		}
	}
}
