package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
)

type exchanger struct {
	push func(ctx context.Context, image slipway.Image, to string, tell func(slipway.Transfer)) (string, error)
	pull func(ctx context.Context, from, application string, tell func(slipway.Transfer)) (slipway.Image, error)
}

func (e exchanger) Push(ctx context.Context, image slipway.Image, to string, tell func(slipway.Transfer)) (string, error) {
	return e.push(ctx, image, to, tell)
}

func (e exchanger) Pull(ctx context.Context, from, application string, tell func(slipway.Transfer)) (slipway.Image, error) {
	return e.pull(ctx, from, application, tell)
}

// A transfer is told line by line, and the last line is its outcome: the image, or why there is none.
func TestTransfers(t *testing.T) {
	s := serve(t)
	img := slipway.Image{
		Digest: slipway.DigestOf([]byte("i")), Application: "hello", Version: "1.0", State: slipway.ImageReady, Created: time.Now().UTC(),
	}
	if err := s.Store.PutImage(t.Context(), img); err != nil {
		t.Fatal(err)
	}
	var outcome error
	s.Exchange = exchanger{
		push: func(_ context.Context, image slipway.Image, to string, tell func(slipway.Transfer)) (string, error) {
			tell(slipway.Transfer{Blobs: 1, BlobsTotal: 2, Bytes: 10, BytesTotal: 30})
			tell(slipway.Transfer{Blobs: 2, BlobsTotal: 2, Bytes: 30, BytesTotal: 30, There: 1}) // too soon after the last to be told
			return to + "@" + string(image.Digest), outcome
		},
		pull: func(_ context.Context, from, application string, tell func(slipway.Transfer)) (slipway.Image, error) {
			tell(slipway.Transfer{Message: "took " + from + " for " + application, BlobsTotal: 1})
			return img, outcome
		},
	}
	h := asRoot(New(s.Config))
	post := func(path, body string) (int, []slipway.Transfer) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var lines []slipway.Transfer
		for line := range strings.Lines(w.Body.String()) {
			var l slipway.Transfer
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatalf("%v in %s", err, line)
			}
			lines = append(lines, l)
		}
		return w.Code, lines
	}

	status, lines := post("/v1/images/hello/1.0/pushes", `{"to":"r/hello"}`)
	if status != http.StatusOK || len(lines) != 2 || lines[0].Blobs != 1 || lines[1].Blobs != 2 || lines[1].There != 1 ||
		lines[1].Image.Digest != img.Digest || lines[1].Reference != "r/hello@"+string(img.Digest) {
		t.Errorf("push: got %d %+v", status, lines)
	}
	status, lines = post("/v1/pulls", `{"from":"r/hello","application":"hello"}`)
	if status != http.StatusOK || len(lines) != 2 || lines[0].Message != "took r/hello for hello" || lines[1].Image == nil {
		t.Errorf("pull: got %d %+v", status, lines)
	}
	outcome = slipway.Errorf(slipway.Unprepared, "cannot log in")
	_, lines = post("/v1/pulls", `{"from":"r/hello"}`)
	if len(lines) != 2 || lines[1].Error == nil || lines[1].Error.Code != slipway.Unprepared || lines[1].Image != nil {
		t.Errorf("a pull that fails: got %+v", lines)
	}
	outcome = errors.New("a secret of the host")
	_, lines = post("/v1/pulls", `{"from":"r/hello"}`)
	if e := lines[1].Error; e == nil || e.Code != slipway.Internal || strings.Contains(e.Message, "secret") {
		t.Errorf("a pull that fails unforeseen: got %+v", lines[1].Error)
	}
	if status, _ = post("/v1/images/hello/2.0/pushes", `{"to":"r/hello"}`); status != http.StatusNotFound {
		t.Errorf("pushing an image that is not there: got %d", status)
	}
}

// A client that goes away ends its transfer.
func TestTransferGivenUp(t *testing.T) {
	s := serve(t)
	ended := make(chan error, 1)
	begun := make(chan struct{})
	s.Exchange = exchanger{pull: func(ctx context.Context, _, _ string, tell func(slipway.Transfer)) (slipway.Image, error) {
		tell(slipway.Transfer{Message: "begun"})
		close(begun)
		<-ctx.Done()
		ended <- ctx.Err()
		return slipway.Image{}, ctx.Err()
	}}
	server := httptest.NewServer(asRoot(New(s.Config)))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/v1/pulls", strings.NewReader(`{"from":"r/hello"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	<-begun
	cancel()
	select {
	case <-ended:
	case <-t.Context().Done():
		t.Error("the transfer goes on")
	}
}
