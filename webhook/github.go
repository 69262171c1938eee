package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/slipway-sh/slipway"
)

// githubCommits is how many commits GitHub lists in a push; of those beyond it is not known what they changed.
const githubCommits = 2048

// verifyGitHub looks at X-Hub-Signature-256. GitHub does not sign the ID of a delivery, so that who has seen one could send it again under
// another; therefore the body itself is known again as well: each has the time of its event in it.
func verifyGitHub(h http.Header, body []byte, secrets []string) ([]string, error) {
	text, ok := strings.CutPrefix(h.Get("X-Hub-Signature-256"), "sha256=")
	if !ok {
		return nil, unsigned("it has no header X-Hub-Signature-256; give the webhook a secret at GitHub")
	}
	got, err := hex.DecodeString(text)
	right := false
	for _, secret := range secrets {
		m := hmac.New(sha256.New, []byte(secret))
		m.Write(body)
		right = hmac.Equal(m.Sum(nil), got) || right
	}
	if err != nil || !right {
		return nil, unsigned("its signature is not right")
	}
	ids := []string{bodyID(body)}
	if id := h.Get("X-GitHub-Delivery"); id != "" {
		ids = append(ids, "id:"+id)
	}
	return ids, nil
}

// githubBody is what is looked at of GitHub's payloads.
type githubBody struct {
	Action     string `json:"action"`
	Ref        string `json:"ref"`
	After      string `json:"after"`
	Deleted    bool   `json:"deleted"`
	Repository struct {
		URL string `json:"html_url"`
	} `json:"repository"`
	HeadCommit *githubCommit  `json:"head_commit"`
	Commits    []githubCommit `json:"commits"`
	Compare    string         `json:"compare"`
	Release    struct {
		Tag    string `json:"tag_name"`
		Target string `json:"target_commitish"`
		URL    string `json:"html_url"`
		Draft  bool   `json:"draft"`
		Author struct {
			Login string `json:"login"`
		} `json:"author"`
	} `json:"release"`
	Run struct {
		ID         int64         `json:"id"`
		Name       string        `json:"name"`
		Branch     string        `json:"head_branch"`
		SHA        string        `json:"head_sha"`
		Conclusion string        `json:"conclusion"`
		URL        string        `json:"html_url"`
		HeadCommit *githubCommit `json:"head_commit"`
	} `json:"workflow_run"`
}

type githubCommit struct {
	ID     string `json:"id"`
	Author struct {
		Name  string `json:"name"`
		Email string `json:"email"`
	} `json:"author"`
	Added    []string `json:"added"`
	Removed  []string `json:"removed"`
	Modified []string `json:"modified"`
}

func (c *githubCommit) author() string {
	if c == nil {
		return ""
	}
	return person(c.Author.Name, c.Author.Email)
}

func parseGitHub(event, contentType string, body []byte) (Message, error) {
	if kind, _, _ := mime.ParseMediaType(contentType); kind == "application/x-www-form-urlencoded" {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return Message{}, slipway.Errorf(slipway.Invalid, "cannot read the webhook: its form cannot be read; choose the content type application/json at GitHub")
		}
		body = []byte(form.Get("payload"))
	}
	if event == "" {
		return Message{}, slipway.Errorf(slipway.Invalid, "cannot read the webhook: it has no header X-GitHub-Event")
	}
	m := Message{Event: event}
	if event == "ping" {
		m.Skip = "it is a ping"
		return m, nil
	}
	var b githubBody
	if err := decode(body, &b); err != nil {
		return m, err
	}
	switch event {
	case "push":
		m.Branch, m.Tag = refOf(b.Ref)
		m.Commit, m.Author, m.Build = b.After, b.HeadCommit.author(), b.Compare
		if b.HeadCommit != nil && b.HeadCommit.ID != "" {
			m.Commit = b.HeadCommit.ID // of an annotated tag After is the tag
		}
		if m.Changes = len(b.Commits) > 0 && len(b.Commits) < githubCommits && m.Tag == ""; m.Changes {
			for _, c := range b.Commits {
				m.Paths = append(append(append(m.Paths, c.Added...), c.Modified...), c.Removed...)
			}
		}
		if b.Deleted {
			m.Skip = "the " + kindOfRef(m) + " was deleted"
		}
	case "release":
		m.Tag, m.Author, m.Build = b.Release.Tag, b.Release.Author.Login, b.Release.URL
		if isCommit(b.Release.Target) {
			m.Commit = b.Release.Target
		}
		if b.Action != "published" {
			m.Skip = "the release was " + b.Action + ", not published"
		}
	case "workflow_run":
		m.Branch, m.Commit, m.Workflow, m.Build = b.Run.Branch, b.Run.SHA, b.Run.Name, b.Run.URL
		m.Author = b.Run.HeadCommit.author()
		if b.Run.ID != 0 {
			m.BuildKey = strconv.FormatInt(b.Run.ID, 10)
		}
		switch {
		case b.Action != "completed":
			m.Skip = "the workflow is " + b.Action + ", not completed"
		case b.Run.Conclusion != "success":
			m.Skip = "the workflow ended with " + b.Run.Conclusion + ", not with success"
		}
	}
	return m, nil
}

func kindOfRef(m Message) string {
	if m.Tag != "" {
		return "tag"
	}
	return "branch"
}

// isCommit reports whether text is a commit's full ID.
func isCommit(text string) bool {
	_, err := hex.DecodeString(text)
	return err == nil && (len(text) == 40 || len(text) == 64)
}
