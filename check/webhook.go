package check

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/slipway-sh/slipway"
)

// maxAnswer is how much a webhook may answer, bytes.
const maxAnswer = 64 << 10

// Notice is what a webhook is posted.
type Notice struct {
	Deployment Notified      `json:"deployment"`
	Phase      slipway.Phase `json:"phase"`
	Check      string        `json:"check"` // its name
}

// Notified is what a webhook is told of a deployment.
type Notified struct {
	ID          string                 `json:"id"`
	Kind        slipway.DeploymentKind `json:"kind"`
	Application string                 `json:"application"`
	Environment string                 `json:"environment"`
	Image       slipway.Digest         `json:"image"`
	Source      string                 `json:"source,omitempty"`
	Target      string                 `json:"target"`
	Weight      int                    `json:"weight"` // percent of the traffic that the target has
}

// Answer is what a webhook answers.
type Answer struct {
	Result  string `json:"result"` // pass | fail | inconclusive
	Message string `json:"message,omitempty"`
}

// webhook posts a notice and takes the answer.
func (m Measurer) webhook(ctx context.Context, name string, hook *slipway.WebhookCheck, s Subject) slipway.Measurement {
	d := s.Deployment
	return Ask(ctx, m.HTTP, *hook, Notice{Phase: s.Phase, Check: name, Deployment: Notified{
		ID: d.ID, Kind: d.Kind, Application: d.Cluster.Application, Environment: d.Cluster.Environment,
		Image: d.Image, Source: d.Source, Target: d.Target, Weight: d.Weight,
	}})
}

// Ask posts a question to a webhook as JSON, and takes the answer: no data if there is none, or one that is inconclusive. It never follows a
// redirection: what it says would go to somebody who was not named. transport nil stands for http.DefaultTransport.
func Ask(ctx context.Context, transport http.RoundTripper, hook slipway.WebhookCheck, question any) slipway.Measurement {
	body, err := json.Marshal(question)
	if err != nil {
		return noData("cannot say what is going on: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.URL, bytes.NewReader(body))
	if err != nil {
		return noData("cannot post to %s: %w", withoutSecrets(hook.URL), reason(ctx, err))
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "slipway")
	for key, value := range hook.Headers {
		if http.CanonicalHeaderKey(key) == "Host" {
			request.Host = value
			continue
		}
		request.Header.Set(key, value)
	}
	if transport == nil {
		transport = http.DefaultTransport
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return noData("%s: %w", request.URL.Host, reason(ctx, err))
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return noData("%s began to answer with status %d, then: %w", request.URL.Host, response.StatusCode, reason(ctx, err))
	}
	answer, err := readAnswer(response.StatusCode, response.Header, text)
	if err != nil {
		return noData("%s %w", request.URL.Host, err)
	}
	switch answer.Result {
	case "pass":
		return pass("%s", answer.Message)
	case "fail":
		return fail("%s", or(answer.Message, request.URL.Host+" answered fail, and not why"))
	}
	return noData("%s", or("inconclusive: "+answer.Message, "inconclusive"))
}

// readAnswer returns the answer of a webhook, or what came instead, to be put behind who it came from.
func readAnswer(status int, header http.Header, text []byte) (Answer, error) {
	var answer Answer
	switch kind := or(header.Get("Content-Type"), "no content type"); {
	case status >= 300 && status < 400 && header.Get("Location") != "":
		return answer, fmt.Errorf("redirects to %s, which is not followed", withoutSecrets(header.Get("Location")))
	case status != http.StatusOK:
		return answer, fmt.Errorf("answered with status %d: %s", status, shown(text))
	case len(text) > maxAnswer:
		return answer, fmt.Errorf("answered more than %d KiB (%s): %s", maxAnswer>>10, kind, shown(text))
	default:
		if err := json.Unmarshal(text, &answer); err != nil {
			return Answer{}, fmt.Errorf("answered no JSON object of result and message (%s): %s", kind, shown(text))
		}
	}
	switch answer.Result {
	case "pass", "fail", "inconclusive":
		return answer, nil
	}
	return Answer{}, fmt.Errorf("answered the result %q, which is none of pass, fail and inconclusive: %s", cut(answer.Result, 40), shown(text))
}

// withoutSecrets returns a URL as it may be shown: without a password and without what is behind a question mark, where tokens are.
func withoutSecrets(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		text, _, _ = strings.Cut(text, "?")
		return text
	}
	if u.User != nil {
		u.User = url.User("…")
	}
	u.RawQuery, u.Fragment = "", ""
	return strings.ReplaceAll(u.String(), url.User("…").String(), "…")
}

// or returns text, or instead if it is nothing but white space.
func or(text, instead string) string {
	if text = strings.TrimSpace(text); text == "" {
		return instead
	}
	return text
}
