package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// verifyGitLab looks at the signature of a GitLab that signs, else at X-Gitlab-Token. A secret token is in every request itself: who can read
// one can make others, which is why a GitLab that can sign should.
func verifyGitLab(h http.Header, body []byte, secrets []string, keys [][]byte, now time.Time) ([]string, error) {
	if h.Get(HeaderSignature) != "" {
		id, err := verifyStandard(h, body, keys, now)
		return []string{"id:" + id}, err
	}
	token := h.Get("X-Gitlab-Token")
	if token == "" {
		return nil, unsigned("it has neither a header %s nor X-Gitlab-Token; give the webhook a signing token or a secret token at GitLab", HeaderSignature)
	}
	got := sha256.Sum256([]byte(token)) // of the same length, whatever was sent
	right := false
	for _, secret := range secrets {
		want := sha256.Sum256([]byte(secret))
		right = hmac.Equal(want[:], got[:]) || right
	}
	if !right {
		return nil, unsigned("its X-Gitlab-Token is not right")
	}
	if id := h.Get("Idempotency-Key"); id != "" {
		return []string{"id:" + id}, nil
	}
	// Of an older GitLab. What an event has led to has the event's UUID, too.
	return []string{"id:" + h.Get("X-Gitlab-Event-UUID") + " " + bodyID(body)}, nil
}

// gitlabBody is what is looked at of GitLab's payloads.
type gitlabBody struct {
	Kind        string         `json:"object_kind"`
	Ref         string         `json:"ref"`
	Tag         string         `json:"tag"` // of a release
	Action      string         `json:"action"`
	After       string         `json:"after"`
	CheckoutSHA string         `json:"checkout_sha"`
	UserName    string         `json:"user_name"`
	UserEmail   string         `json:"user_email"`
	URL         string         `json:"url"`
	Commits     []gitlabCommit `json:"commits"`
	Total       int            `json:"total_commits_count"`
	Commit      gitlabCommit   `json:"commit"`
	Project     struct {
		URL string `json:"web_url"`
	} `json:"project"`
	Attributes struct {
		ID     int64  `json:"id"`
		Ref    string `json:"ref"`
		IsTag  bool   `json:"tag"`
		SHA    string `json:"sha"`
		Status string `json:"status"`
		URL    string `json:"url"`
	} `json:"object_attributes"`
}

type gitlabCommit struct {
	ID     string `json:"id"`
	Author struct {
		Name  string `json:"name"`
		Email string `json:"email"`
	} `json:"author"`
	Added    []string `json:"added"`
	Removed  []string `json:"removed"`
	Modified []string `json:"modified"`
}

func parseGitLab(body []byte) (Message, error) {
	var b gitlabBody
	if err := decode(body, &b); err != nil {
		return Message{}, err
	}
	m := Message{Event: b.Kind}
	switch b.Kind {
	case "push", "tag_push":
		m.Branch, m.Tag = refOf(b.Ref)
		m.Commit, m.Author = b.CheckoutSHA, person(b.UserName, b.UserEmail)
		for _, c := range b.Commits {
			if c.ID == b.CheckoutSHA && c.Author.Name != "" {
				m.Author = person(c.Author.Name, c.Author.Email)
			}
		}
		if b.Project.URL != "" && m.Commit != "" {
			m.Build = b.Project.URL + "/-/commit/" + m.Commit
		}
		if m.Changes = len(b.Commits) > 0 && b.Total <= len(b.Commits) && m.Tag == ""; m.Changes {
			for _, c := range b.Commits {
				m.Paths = append(append(append(m.Paths, c.Added...), c.Modified...), c.Removed...)
			}
		}
		if strings.Trim(b.After, "0") == "" {
			m.Skip = "the " + kindOfRef(m) + " was deleted"
		}
	case "release":
		m.Tag, m.Commit, m.Build = b.Tag, b.Commit.ID, b.URL
		m.Author = person(b.Commit.Author.Name, b.Commit.Author.Email)
		if b.Action != "create" {
			m.Skip = "the release has action " + b.Action + ", not create"
		}
	case "pipeline":
		m.Branch, m.Commit, m.Build = b.Attributes.Ref, b.Attributes.SHA, b.Attributes.URL
		if b.Attributes.IsTag {
			m.Branch, m.Tag = "", b.Attributes.Ref
		}
		if m.Build == "" && b.Project.URL != "" {
			m.Build = b.Project.URL + "/-/pipelines/" + strconv.FormatInt(b.Attributes.ID, 10)
		}
		m.Author = person(b.Commit.Author.Name, b.Commit.Author.Email)
		if b.Attributes.ID != 0 {
			m.BuildKey = strconv.FormatInt(b.Attributes.ID, 10)
		}
		if b.Attributes.Status != "success" {
			m.Skip = "the pipeline is " + b.Attributes.Status + ", not success"
		}
	}
	return m, nil
}
