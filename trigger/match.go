package trigger

import (
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/webhook"
)

// defaultEvents are those of webhooks whose trigger names none.
var defaultEvents = map[slipway.TriggerKind][]string{
	slipway.TriggerGitHub: {"push"},
	slipway.TriggerGitLab: {"push", "tag_push"},
}

// mismatch returns why a webhook is not what a trigger waits for, "" if it is.
func mismatch(spec slipway.TriggerSpec, m webhook.Message) string {
	events := spec.Events
	if len(events) == 0 {
		events = defaultEvents[spec.Kind]
	}
	switch {
	case len(events) > 0 && !fits(events, m.Event):
		return "the event " + quoted(m.Event) + " is none of " + strings.Join(events, ", ")
	case m.Skip != "":
		return m.Skip
	case m.Tag != "" && len(spec.Tags) == 0 && len(spec.Branches) > 0:
		return "it is of the tag " + quoted(m.Tag) + ", and the trigger waits for branches"
	case m.Tag == "" && m.Branch != "" && len(spec.Branches) == 0 && len(spec.Tags) > 0:
		return "it is of the branch " + quoted(m.Branch) + ", and the trigger waits for tags"
	case m.Tag != "" && len(spec.Tags) > 0 && !fits(spec.Tags, m.Tag):
		return "the tag " + quoted(m.Tag) + " is none of " + strings.Join(spec.Tags, ", ")
	case m.Tag == "" && len(spec.Branches) > 0 && !fits(spec.Branches, m.Branch):
		return "the branch " + quoted(m.Branch) + " is none of " + strings.Join(spec.Branches, ", ")
	case len(spec.Workflows) > 0 && m.Event == "workflow_run" && !fits(spec.Workflows, m.Workflow):
		return "the workflow " + quoted(m.Workflow) + " is none of " + strings.Join(spec.Workflows, ", ")
	case len(spec.Paths) > 0 && m.Changes && !anyOf(spec.Paths, m.Paths):
		return "no file that changed is one of " + strings.Join(spec.Paths, ", ")
	}
	return ""
}

// fits reports whether one of the globs fits name. Globs were looked at when the trigger was made.
func fits(globs []string, name string) bool {
	for _, g := range globs {
		if ok, err := doublestar.Match(g, name); err == nil && ok {
			return true
		}
	}
	return false
}

// anyOf reports whether one of the globs fits one of the names.
func anyOf(globs, names []string) bool {
	for _, name := range names {
		if fits(globs, name) {
			return true
		}
	}
	return false
}

func quoted(s string) string { return "\"" + s + "\"" }
