package httpapi

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"net/http"

	"github.com/slipway-sh/slipway"
)

//go:generate go test . -run TestAPIDocumentIsTrue -update

var update = flag.Bool("update", false, "write docs/api.md")

const apiDocument = "../docs/api.md"

// TestAPIDocumentIsTrue: docs/api.md is what the table of routes says; `make docs` writes it.
func TestAPIDocumentIsTrue(t *testing.T) {
	want := markdown()
	if *update {
		if err := os.WriteFile(apiDocument, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(apiDocument); err != nil || !bytes.Equal(got, want) {
		t.Errorf("docs/api.md is not what the table of routes says (%v): run `make docs`", err)
	}
}

// nouns are the chapters: routes by the first word of their path, in the order in which a reader wants them.
var nouns = []string{"environments", "clusters", "groups", "instances", "load-balancers", "accounts", "applications", "deployments", "rollbacks", "releases", "executions", "bakes", "images", "channels"}

func markdown() []byte {
	a := &api{}
	h := humago.New(http.NewServeMux(), a.description())
	a.mount(h)
	doc := h.OpenAPI()
	out := &bytes.Buffer{}
	out.WriteString(head)
	out.WriteString("| Code | Status | What it says |\n|---|---|---|\n")
	for _, c := range slipway.Codes {
		fmt.Fprintf(out, "| `%s` | %d | %s |\n", c.Code, statuses[c.Code], c.Says)
	}
	out.WriteString("\nA mistake in the request's head (a cursor, a key, an address that is no text) and a body that is no JSON, or has a text with a NUL, are `invalid` with status 400; a body that is " +
		"too large is `invalid` with 413, one that is no JSON by its Content-Type 415.\n")

	chapters := map[string][]route{}
	for _, r := range a.routes() {
		chapters[noun(r.path)] = append(chapters[noun(r.path)], r)
	}
	rest := slices.Sorted(maps.Keys(chapters))
	rest = slices.DeleteFunc(rest, func(n string) bool { return slices.Contains(nouns, n) })
	order := slices.DeleteFunc(append(slices.Clone(nouns), rest...), func(n string) bool { return chapters[n] == nil })

	out.WriteString("\n## All routes\n\nACCESS is the least role that may use a route; `open` is everybody who can connect.\n\n| Route | Access | |\n|---|---|---|\n")
	for _, n := range order {
		for _, r := range chapters[n] {
			fmt.Fprintf(out, "| [`%s %s`](#%s) | %s | %s |\n", r.method, r.path, anchor(r), r.access, r.summary)
		}
	}
	for _, n := range order {
		fmt.Fprintf(out, "\n## %s\n", title(n))
		for _, r := range chapters[n] {
			describeRoute(out, doc, r)
		}
	}
	return out.Bytes()
}

func noun(path string) string {
	if words := strings.Split(path, "/"); words[1] == "v1" {
		return words[2]
	}
	return "health"
}

func title(noun string) string {
	text := []rune(strings.ReplaceAll(noun, "-", " "))
	text[0] = unicode.ToUpper(text[0])
	return string(text)
}

// heading is a route's heading, and anchor what a link to it says.
func heading(r route) string { return r.method + " " + r.path }

func anchor(r route) string {
	keep := func(c rune) rune {
		switch {
		case c == ' ':
			return '-'
		case unicode.IsLetter(c), unicode.IsDigit(c), c == '-', c == '_':
			return unicode.ToLower(c)
		}
		return -1
	}
	return strings.Map(keep, heading(r))
}

func describeRoute(out *bytes.Buffer, doc *huma.OpenAPI, r route) {
	op := operationOf(doc, r)
	fmt.Fprintf(out, "\n### %s\n\n%s", heading(r), strings.TrimSuffix(r.summary, "."))
	if !strings.HasSuffix(r.summary, "?") {
		out.WriteString(".")
	}
	if r.about != "" {
		fmt.Fprintf(out, " %s", r.about)
	}
	fmt.Fprintf(out, "\n\nAccess: `%s`. Operation: `%s`.\n", r.access, r.id)
	var rows []string
	for _, p := range op.Parameters {
		if p.In == "path" && p.Description == "" {
			continue
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |\n", p.Name, p.In, schemaText(doc, p.Schema), strings.TrimSpace(strings.ReplaceAll(p.Description, "\n", " "))))
	}
	if len(rows) > 0 {
		out.WriteString("\n| Parameter | In | | |\n|---|---|---|---|\n" + strings.Join(rows, ""))
	}
	out.WriteString("\n```sh\n" + curl(op, r) + "\n```\n")
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		if !strings.HasPrefix(status, "2") {
			continue
		}
		response := op.Responses[status]
		media := response.Content["application/json"]
		if media == nil || media.Example == nil {
			fmt.Fprintf(out, "\nAnswers %s", status)
			for _, kind := range slices.Sorted(maps.Keys(response.Content)) {
				fmt.Fprintf(out, ", %s", kind)
			}
			out.WriteString(".\n")
			continue
		}
		fmt.Fprintf(out, "\nAnswers %s, `%s`:\n\n```json\n%s\n```\n", status, schemaText(doc, media.Schema), short(media.Example))
	}
	var failures []string
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		if strings.HasPrefix(status, "4") || strings.HasPrefix(status, "5") {
			failures = append(failures, status)
		}
	}
	fmt.Fprintf(out, "\nFails with %s.\n", strings.Join(failures, ", "))
}

// curl returns a command that makes the request.
func curl(op *huma.Operation, r route) string {
	path := r.path
	for _, p := range op.Parameters {
		if p.In == "path" {
			path = strings.ReplaceAll(path, "{"+p.Name+"}", fmt.Sprint(p.Example))
		}
	}
	words := "curl --unix-socket /var/lib/slipway/slipwayd.sock"
	switch {
	case r.raw:
		words += " -T dist/hello"
	case r.method != "GET":
		words += " -X " + r.method
	}
	if r.once() {
		words += " -H \"Idempotency-Key: $(uuidgen)\""
	}
	if r.takes != nil && op.RequestBody != nil {
		text, _ := json.Marshal(op.RequestBody.Content["application/json"].Example)
		words += " \\\n  -H 'Content-Type: application/json' -d '" + strings.ReplaceAll(string(text), "'", `'\''`) + "'"
	}
	return words + " \\\n  http://slipwayd" + path
}

// maxExample is how many lines of an example are shown: the whole is in /openapi.json.
const maxExample = 60

func short(example any) string {
	text, _ := json.MarshalIndent(example, "", "  ")
	lines := strings.Split(string(text), "\n")
	if len(lines) > maxExample {
		lines = append(lines[:maxExample], fmt.Sprintf("  … %d more lines", len(lines)-maxExample))
	}
	return strings.Join(lines, "\n")
}

// schemaText says of what type something is.
func schemaText(doc *huma.OpenAPI, s *huma.Schema) string {
	switch {
	case s == nil:
		return ""
	case s.Ref != "":
		return strings.TrimPrefix(s.Ref, "#/components/schemas/")
	case s.Type == huma.TypeArray:
		return "list of " + schemaText(doc, s.Items)
	case len(s.Enum) > 0:
		var words []string
		for _, v := range s.Enum {
			words = append(words, fmt.Sprint(v))
		}
		return strings.Join(words, ", ")
	case s.Default != nil:
		return fmt.Sprintf("%s, default %v", s.Type, s.Default)
	}
	return s.Type
}

const head = `# The API

<!-- Written by "make docs" from the table of routes in httpapi/api.go. Do not edit. -->

slipwayd's HTTP API is the source of truth: the command line, CI and every other client do what they do through it. It listens on a unix socket,
by default ` + "`/var/lib/slipway/slipwayd.sock`" + `, and wherever else ` + "`--listen`" + ` says. It describes itself, with an example of every request and
answer, as OpenAPI 3.1 at ` + "`/openapi.json`" + `. Go programs use the package ` + "`github.com/slipway-sh/slipway/client`" + `.

Everything is JSON, in UTF-8. Times are RFC 3339, durations Go's (` + "`1m30s`" + `), images are named by their digests. Unknown fields and unknown
query parameters are refused. The path's first word is the API's version: within ` + "`/v1`" + ` fields and routes are added, and nothing is taken away or
changes its meaning; so a client ignores fields that it does not know.

## Lists have pages

A list answers ` + "`{\"items\": […], \"next\": \"…\"}`" + ` with at most ` + "`limit`" + ` items (default 100, at most 1000). Where there are more, ` + "`next`" + ` is the
cursor of the page that follows, and the header ` + "`Link: <…>; rel=\"next\"`" + ` its whole address:

` + "```sh" + `
curl --unix-socket /var/lib/slipway/slipwayd.sock 'http://slipwayd/v1/deployments?application=hello&state=running,queued&limit=50'
curl --unix-socket /var/lib/slipway/slipwayd.sock 'http://slipwayd/v1/deployments?application=hello&state=running,queued&limit=50&cursor=eyJs…'
` + "```" + `

A cursor is opaque. It says after which record to go on, not how many to leave out: whatever is added meanwhile, no record comes twice and none is
left out. It belongs to one list with its filters; anything else is refused with 400 and the place ` + "`cursor`" + `.
A list has what its reader may see. Pages of somebody who may see a part of it are as full as anybody's: what is left out is made up for by what follows.

## Doing something once

A POST that starts or makes something takes an ` + "`Idempotency-Key`" + `: up to 255 visible characters, chosen by the client, such as a UUID or CI's build
number. Sent again within 24 hours with the same key it is not carried out again, and gets the first answer, with ` + "`Idempotency-Replayed: true`" + `.
That holds over a restart of slipwayd, and with several slipwayd on one store. Keys of different users are different keys.
What a request with a key makes has an ID that follows from it: if slipwayd dies after it has accepted a deployment, and before it has answered, the
same request finds it.

| | |
|---|---|
| the same key, another request | 422 ` + "`invalid`" + ` |
| the same request is being carried out at this moment | 409 ` + "`conflict`" + ` with ` + "`Retry-After`" + ` |
| the first was refused or failed | it may be sent again: only successes are kept |

The Go client does this by itself: a GET or POST whose connection breaks is made again, and nothing is done twice.

## Changing only what one has seen

What one thing shows has an ` + "`ETag`" + `. ` + "`If-None-Match`" + ` on a GET answers 304, without a body, if it still is the same: polling costs little.
` + "`If-Match`" + ` on a PUT or DELETE changes or removes the thing only if it still is what had that tag; else 412 ` + "`stale`" + `, and nothing has changed.
Of several who have read the same and change it at once, one succeeds. ` + "`If-None-Match: *`" + ` on a PUT makes something only if it is not there.

## Events

` + "`GET /v1/events`" + ` with ` + "`Accept: text/event-stream`" + ` is a stream of server-sent events: first what has happened, then what happens, each once, in
order, without gaps. Every event has an ` + "`id`" + `; a client that connects again sends the last it has seen as ` + "`Last-Event-ID`" + ` and misses nothing, also
over a restart of slipwayd. A comment every 10 seconds shows that the stream lives. Who does not read for 30 seconds is let go, and resumes.

` + "```sh" + `
curl -N --unix-socket /var/lib/slipway/slipwayd.sock -H 'Accept: text/event-stream' -H 'Last-Event-ID: 1871' \
  'http://slipwayd/v1/events?application=hello&kind=deployment.started,deployment.finished'
` + "```" + `

## Errors

Whatever is no success is a problem (RFC 9457, ` + "`application/problem+json`" + `) with a code for programs, a text for people and the place of the
mistake. An input with several mistakes has them all in ` + "`errors`" + `.

` + "```json" + `
{
  "type": "about:blank",
  "title": "Unprocessable Entity",
  "status": 422,
  "detail": "cannot use \"Shop\" as name of the application: want 1 to 32 lower-case letters, digits and dashes, starting with a letter",
  "code": "invalid",
  "place": "cluster.application"
}
` + "```" + `

`
