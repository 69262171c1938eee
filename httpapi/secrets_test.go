package httpapi

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
)

type secretStore struct {
	slipway.SecretStore
	put func(map[string][]byte) (string, error)
}

func (s secretStore) PutSecrets(_ context.Context, values map[string][]byte) (string, error) {
	return s.put(values)
}

// No answer and no line of the log repeats what a client handed over, however wrong its form.
func TestSecrets(t *testing.T) {
	s := serve(t)
	var got map[string][]byte
	var refusal error
	s.Secrets = secretStore{put: func(values map[string][]byte) (string, error) {
		got = values
		return "s-handle", refusal
	}}
	h := asRoot(New(s.Config))
	const value, encoded = "hunter2!", "aHVudGVyMiE="
	post := func(body string) (int, string) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/secrets", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	status, answer := post(`{"values":{"token":"` + encoded + `"}}`)
	if status != http.StatusOK || !strings.Contains(answer, `"s-handle"`) || string(got["token"]) != value {
		t.Errorf("got %d %s with %q stored, want the handle and %q", status, answer, got, value)
	}
	for _, c := range []struct {
		name, body string
		refusal    error
		status     int
	}{
		{name: "no base64", body: `{"values":{"token":"hunter2!"}}`, status: http.StatusUnprocessableEntity},
		{name: "a list", body: `{"values":["hunter2!"]}`, status: http.StatusUnprocessableEntity},
		{name: "a string", body: `{"values":"hunter2!"}`, status: http.StatusUnprocessableEntity},
		{name: "no JSON", body: `{"values":{"token":hunter2!}}`, status: http.StatusBadRequest},
		{name: "refused", body: `{"values":{"token":"` + encoded + `"}}`, refusal: slipway.Errorf(slipway.Invalid, "cannot keep it"), status: http.StatusUnprocessableEntity},
		{name: "broken", body: `{"values":{"token":"` + encoded + `"}}`, refusal: io.ErrUnexpectedEOF, status: http.StatusInternalServerError},
	} {
		t.Run(c.name, func(t *testing.T) {
			refusal = c.refusal
			status, answer := post(c.body)
			if status != c.status {
				t.Errorf("got %d %s, want %d", status, answer, c.status)
			}
			for _, form := range []string{value, encoded, strings.TrimRight(encoded, "=")} {
				if strings.Contains(answer+s.log.String(), form) {
					t.Errorf("%q is told:\n%s\n%s", form, answer, s.log)
				}
			}
		})
	}
}
