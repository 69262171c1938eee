package slipway

import (
	"path"
	"slices"
	"strings"
	"time"
)

const (
	maxGlobs      = 100  // of a list
	maxGlob       = 500  // bytes
	maxParameters = 100  // of a trigger
	maxParameter  = 4096 // bytes of one's value
	maxTo         = 2000 // bytes of a destination
)

// triggerFields are the fields that each kind has beside those of all kinds.
var triggerFields = map[TriggerKind][]string{
	TriggerGitHub:   {"events", "branches", "tags", "paths", "workflows"},
	TriggerGitLab:   {"events", "branches", "tags", "paths"},
	TriggerWebhook:  {"events", "branches", "tags", "paths"},
	TriggerArtifact: {"artifacts", "path"},
	TriggerChannel:  {"channel", "from"},
	TriggerCron:     {"schedule", "time_zone"},
	TriggerPipeline: {"from", "pipelines", "states"},
}

// Validate returns nil, or every mistake in s as Invalid errors joined into one. Whether what it names exists, and whether globs and the
// schedule can be read, is not its business.
func (s TriggerSpec) Validate() error {
	var p problems
	p.check("application", ValidateName("application", s.Application))
	p.check("name", ValidateName("trigger", s.Name))
	own, ok := triggerFields[s.Kind]
	if !ok {
		p.add("kind", "cannot make a trigger of kind %q: want one of %s", s.Kind, list(TriggerKinds))
		return p.err()
	}
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"events", len(s.Events) > 0}, {"branches", len(s.Branches) > 0}, {"tags", len(s.Tags) > 0}, {"paths", len(s.Paths) > 0},
		{"workflows", len(s.Workflows) > 0}, {"artifacts", len(s.Artifacts) > 0}, {"path", s.Path != ""}, {"channel", s.Channel != ""},
		{"from", s.From != ""}, {"pipelines", len(s.Pipelines) > 0}, {"states", len(s.States) > 0}, {"schedule", s.Schedule != ""},
		{"time_zone", s.TimeZone != ""},
	} {
		if f.set && !slices.Contains(own, f.name) {
			p.add(f.name, "cannot use %s in a trigger of kind %s: it has %s", f.name, s.Kind, strings.Join(own, ", "))
		}
	}
	p.triggerAction(s)
	for _, l := range []struct {
		place string
		globs []string
	}{
		{"events", s.Events}, {"branches", s.Branches}, {"tags", s.Tags}, {"paths", s.Paths}, {"workflows", s.Workflows},
		{"artifacts", s.Artifacts}, {"pipelines", s.Pipelines},
	} {
		p.globs(l.place, l.globs)
	}
	if s.From != "" {
		p.check("from", ValidateName("application", s.From))
	}
	switch s.Kind {
	case TriggerChannel:
		p.check("channel", ValidateChannel(s.Channel))
	case TriggerCron:
		if strings.TrimSpace(s.Schedule) == "" {
			p.add("schedule", "cannot do without a schedule: want five fields as cron has them, such as \"30 2 * * 1-5\"")
		}
		if _, err := time.LoadLocation(s.TimeZone); err != nil || s.TimeZone == "Local" {
			p.add("time_zone", "cannot find the time zone %q: want a name such as Europe/Berlin", s.TimeZone)
		}
	case TriggerPipeline:
		for i, state := range s.States {
			if !state.Done() || !slices.Contains([]ExecutionState{ExecutionSucceeded, ExecutionFailed, ExecutionAborted}, state) {
				p.add(index("states", i), "cannot wait for an execution that ended as %q: want %s, %s or %s", state, ExecutionSucceeded, ExecutionFailed, ExecutionAborted)
			}
		}
	case TriggerArtifact:
		if s.Path != "" {
			p.contextPath("path", s.Path)
		}
	}
	return p.err()
}

// triggerAction looks at what a trigger starts.
func (p *problems) triggerAction(s TriggerSpec) {
	switch {
	case s.Deploy != "" && s.Pipeline != "":
		p.add("deploy", "cannot start both a pipeline and a deployment: leave out one")
	case s.Deploy != "":
		p.check("deploy", ValidateName("environment", s.Deploy))
		if len(s.Parameters) > 0 {
			p.add("parameters", "cannot use parameters with a deployment: pipelines have them")
		}
	case s.Pipeline != "":
		p.check("pipeline", ValidateName("pipeline", s.Pipeline))
	}
	if s.Image != "" && s.Kind == TriggerArtifact {
		p.add("image", "cannot use an image in a trigger of kind %s: it is baked with what was pushed", s.Kind)
	}
	p.parameters("parameters", s.Parameters)
}

func (p *problems) parameters(place string, all map[string]string) {
	if len(all) > maxParameters {
		p.add(place, "cannot take %d parameters: want at most %d", len(all), maxParameters)
		return
	}
	for name, value := range all {
		if name == "" || len(name) > 64 || len(value) > maxParameter {
			p.add(place, "cannot take the parameter %.64q: want a name of up to 64 bytes and a value of up to %d", name, maxParameter)
		}
	}
}

func (p *problems) globs(place string, globs []string) {
	if len(globs) > maxGlobs {
		p.add(place, "cannot take %d globs: want at most %d", len(globs), maxGlobs)
		return
	}
	for i, g := range globs {
		if g == "" || len(g) > maxGlob {
			p.add(index(place, i), "cannot use a glob of %d bytes: want 1 to %d", len(g), maxGlob)
		}
	}
}

// Validate returns nil, or every mistake in a as Invalid errors joined into one.
func (a Artifact) Validate() error {
	var p problems
	p.check("application", ValidateName("application", a.Application))
	if a.Name == "" || a.Name == "." || a.Name == ".." || len(a.Name) > 200 || path.Base(a.Name) != a.Name || strings.ContainsFunc(a.Name, control) {
		p.add("name", "cannot use %q as name of an artifact: want that of a file, without directories, of up to 200 bytes", a.Name)
	}
	if a.Version != "" {
		p.check("version", ValidateVersion(a.Version))
	}
	if a.Mode&^0o7777 != 0 {
		p.add("mode", "cannot use %o as mode: want permission bits such as 755", a.Mode)
	}
	return p.err()
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

// Validate returns nil, or every mistake in s as Invalid errors joined into one. What its kind makes of To is not its business.
func (s SubscriptionSpec) Validate() error {
	var p problems
	p.check("name", ValidateName("subscription", s.Name))
	p.check("kind", ValidateName("kind of destination", s.Kind))
	if s.To == "" || len(s.To) > maxTo || strings.ContainsFunc(s.To, control) {
		p.add("to", "cannot tell %.40q: want a destination of 1 to %d bytes", s.To, maxTo)
	}
	for _, l := range []struct {
		place string
		globs []string
	}{{"applications", s.Applications}, {"environments", s.Environments}, {"events", s.Events}} {
		p.globs(l.place, l.globs)
		for i, g := range l.globs {
			if _, err := path.Match(g, ""); err != nil {
				p.add(index(l.place, i), "cannot read the glob %q: *, ? and [a-z] stand for others", g)
			}
		}
	}
	return p.err()
}
