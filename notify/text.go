package notify

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// subject is an event in one line.
func subject(e slipway.Event) string {
	where := e.Application
	if e.Environment != "" {
		where += " " + e.Environment
	}
	line := strings.Join(strings.Fields(e.Message), " ")
	if where = strings.TrimSpace(where); where != "" {
		line = where + ": " + line
	}
	if runes := []rune(line); len(runes) > 200 {
		line = string(runes[:199]) + "…"
	}
	return line
}

// text is an event in a few lines.
func text(e slipway.Event) string {
	var b strings.Builder
	b.WriteString(e.Message)
	b.WriteString("\n\n")
	for _, fact := range [][2]string{
		{"event", string(e.Kind)}, {"at", e.Time.UTC().Format(time.RFC3339)}, {"application", e.Application}, {"environment", e.Environment},
		{"execution", e.Execution}, {"bake", e.Bake}, {"deployment", e.Deployment}, {"because", because(e)},
	} {
		if fact[1] != "" {
			fmt.Fprintf(&b, "%-12s %s\n", fact[0], fact[1])
		}
	}
	if see := command(e); see != "" {
		fmt.Fprintf(&b, "\nslipway %s\n", see)
	}
	return b.String()
}

// because is what the event's record has as its cause or its error.
func because(e slipway.Event) string {
	var data struct {
		Error *slipway.Error `json:"error"`
		Cause slipway.Cause  `json:"cause"`
	}
	if json.Unmarshal(e.Data, &data) != nil {
		return ""
	}
	var facts []string
	if data.Error != nil {
		facts = append(facts, data.Error.Error())
	}
	for _, fact := range []string{data.Cause.Commit, data.Cause.Branch, data.Cause.Author, data.Cause.Build} {
		if fact != "" {
			facts = append(facts, fact)
		}
	}
	return strings.Join(facts, ", ")
}

// command is the command that shows more.
func command(e slipway.Event) string {
	switch {
	case e.Deployment != "":
		return "deployment show " + e.Deployment
	case e.Application != "" && e.Environment != "":
		return "status " + e.Application + " " + e.Environment
	case e.Application != "":
		return "events --application " + e.Application
	}
	return ""
}
