package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/slipway-sh/slipway"
)

// MaxBody is how long a webhook may be, bytes. GitHub's are up to 25 MB, but only of pushes of thousands of commits.
const MaxBody = 5 << 20

// maxText bounds what is taken over from a webhook, bytes.
const maxText = 500

// Message is what a webhook says.
type Message struct {
	Event    string // "push", "release", "workflow_run", …: as GitHub and GitLab call it, or the type of a Standard Webhook
	Branch   string
	Tag      string // of a push or a release of one: Branch is empty then
	Commit   string
	Author   string
	BuildKey string
	Build    string   // URL
	Workflow string   // of GitHub's workflow_run: its name
	Paths    []string // that changed, if Changes is true
	Changes  bool     // it is known which paths changed
	Image    string
	Params   map[string]string
	Skip     string // why it is nothing to begin work for: "the branch was deleted"; "" if it is
}

// Verify returns by what a webhook is known if it comes again, once it is certain that who sent it knows one of the secrets. Unauthenticated if
// that is not so, Refused if it is, and was so too long ago.
func Verify(kind slipway.TriggerKind, header http.Header, body []byte, secrets []string, now time.Time) (ids []string, err error) {
	keys := make([][]byte, 0, len(secrets))
	for _, s := range secrets {
		key, err := Key(s)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	switch kind {
	case slipway.TriggerGitHub:
		return verifyGitHub(header, body, secrets)
	case slipway.TriggerGitLab:
		return verifyGitLab(header, body, secrets, keys, now)
	default:
		id, err := verifyStandard(header, body, keys, now)
		return []string{"id:" + id}, err
	}
}

// Parse reads a webhook. event is what its headers call it, "" if the body says that. Invalid if it cannot be read.
func Parse(kind slipway.TriggerKind, event, contentType string, body []byte) (m Message, err error) {
	switch kind {
	case slipway.TriggerGitHub:
		m, err = parseGitHub(event, contentType, body)
	case slipway.TriggerGitLab:
		m, err = parseGitLab(body)
	default:
		m, err = parseStandard(body)
	}
	if err != nil {
		return Message{}, err
	}
	for _, text := range []*string{&m.Event, &m.Branch, &m.Tag, &m.Commit, &m.Author, &m.BuildKey, &m.Build, &m.Workflow, &m.Image} {
		*text = tidy(*text)
	}
	if m.Build != "" {
		if u, err := url.Parse(m.Build); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
			m.Build = "" // it is shown as a link
		}
	}
	return m, nil
}

// EventOf returns what the headers call the event.
func EventOf(kind slipway.TriggerKind, header http.Header) string {
	if kind == slipway.TriggerGitHub {
		return header.Get("X-GitHub-Event")
	}
	return ""
}

// tidy makes text from outside one line that is fit to be stored and shown.
func tidy(s string) string {
	s = strings.ToValidUTF8(s, "�")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	if len(s) > maxText {
		s = s[:maxText]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	return strings.TrimSpace(s)
}

// decode reads a JSON object.
func decode(body []byte, into any) error {
	if trimmed := strings.TrimLeft(string(body[:min(len(body), 64)]), " \t\r\n"); !strings.HasPrefix(trimmed, "{") {
		return slipway.Errorf(slipway.Invalid, "cannot read the webhook: its body is no JSON object")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return slipway.Errorf(slipway.Invalid, "cannot read the webhook: its body is not what %s sends", senderOf(into))
	}
	return nil
}

func senderOf(into any) string {
	switch into.(type) {
	case *githubBody:
		return "GitHub"
	case *gitlabBody:
		return "GitLab"
	}
	return "a sender of webhooks"
}

// bodyID knows a body again.
func bodyID(body []byte) string {
	sum := sha256.Sum256(body)
	return "body:" + hex.EncodeToString(sum[:])
}

// refOf returns the branch or the tag that a git reference names.
func refOf(ref string) (branch, tag string) {
	if t, ok := strings.CutPrefix(ref, "refs/tags/"); ok {
		return "", t
	}
	return strings.TrimPrefix(ref, "refs/heads/"), ""
}

// person writes a name and an address as git does.
func person(name, email string) string {
	switch {
	case email == "":
		return name
	case name == "":
		return email
	}
	return name + " <" + email + ">"
}
