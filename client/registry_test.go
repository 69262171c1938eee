package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/slipway-sh/slipway"
)

// A transfer tells how far it is, and ends with the image, with the server's error, or, if slipwayd went away, with that.
func TestTransfers(t *testing.T) {
	const (
		moving = `{"blobs":1,"blobs_total":2,"bytes":1,"bytes_total":2,"there":0}` + "\n"
		done   = `{"blobs":2,"blobs_total":2,"bytes":2,"bytes_total":2,"there":0,"image":{"application":"hello"},"reference":"r/hello@x"}` + "\n"
		failed = `{"blobs":1,"blobs_total":2,"bytes":1,"bytes_total":2,"there":0,"error":{"code":"corrupt","message":"cannot"}}` + "\n"
	)
	for _, c := range []struct {
		name, answer string
		code         slipway.Code
		told         int
	}{
		{"done", moving + moving + done, "", 2},
		{"failed", moving + failed, slipway.Corrupt, 1},
		{"cut off", moving, slipway.Unavailable, 1},
		{"cut off in a line", moving + done[:20], slipway.Unavailable, 1},
		{"nonsense", "<html>\n" + moving + done, slipway.Internal, 0},
		{"nothing", "", slipway.Unavailable, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked := ""
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var body map[string]string
				err := json.NewDecoder(r.Body).Decode(&body)
				asked = fmt.Sprint(r.Method, " ", r.URL.EscapedPath(), " ", body, err)
				_, _ = io.WriteString(w, c.answer)
			}))
			defer server.Close()
			client, err := New(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			told := 0
			last, err := client.PushImage(t.Context(), "hello", "1.0", "r/hello", func(slipway.Transfer) { told++ })
			if slipway.CodeOf(err) != c.code || told != c.told {
				t.Errorf("got %v after being told %d times, want %q after %d", err, told, c.code, c.told)
			}
			if c.code == slipway.Unavailable && !errors.Is(err, ErrUnanswered) {
				t.Errorf("got %v, want %v", err, ErrUnanswered)
			}
			if c.code == "" && (last.Image.Application != "hello" || last.Reference != "r/hello@x") {
				t.Errorf("got %+v", last)
			}
			if want := "POST /v1/images/hello/1.0/pushes map[to:r/hello] <nil>"; asked != want {
				t.Errorf("asked %q, want %q", asked, want)
			}
		})
	}
}
