package webhook

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/slipway-sh/slipway"
)

// standardBody is what is looked at of a Standard Webhook: a type, and facts that may be in data or beside it.
type standardBody struct {
	Type string `json:"type"`
	standardFacts
	Data *standardFacts `json:"data"`
}

type standardFacts struct {
	Ref        string            `json:"ref"`
	Branch     string            `json:"branch"`
	Tag        string            `json:"tag"`
	Commit     string            `json:"commit"`
	Author     string            `json:"author"`
	BuildKey   string            `json:"build"`
	Build      string            `json:"build_url"`
	Paths      []string          `json:"paths"`
	Image      string            `json:"image"`
	Parameters map[string]string `json:"parameters"`
}

func parseStandard(body []byte) (Message, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return Message{}, nil
	}
	var b standardBody
	if err := decode(body, &b); err != nil {
		return Message{}, err
	}
	f := b.standardFacts
	if b.Data != nil {
		f = *b.Data
	}
	m := Message{
		Event: b.Type, Branch: f.Branch, Tag: f.Tag, Commit: f.Commit, Author: f.Author, BuildKey: f.BuildKey, Build: f.Build,
		Image: f.Image, Params: f.Parameters, Paths: f.Paths, Changes: f.Paths != nil,
	}
	if f.Ref != "" && f.Branch == "" && f.Tag == "" {
		m.Branch, m.Tag = refOf(f.Ref)
	}
	if m.Tag != "" {
		m.Branch = ""
	}
	return m, nil
}

// MarshalPayload returns the body of a Standard Webhook.
func MarshalPayload(kind, timestamp string, data any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(struct {
		Type      string `json:"type"`
		Timestamp string `json:"timestamp"`
		Data      any    `json:"data"`
	}{kind, timestamp, data})
	if err != nil {
		return nil, slipway.Errorf(slipway.Internal, "cannot encode a webhook: %w", err)
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}
