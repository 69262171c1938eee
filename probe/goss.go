// Package probe runs goss files, with goss itself, in the machine it runs in. It is linked into slipway-probe alone.
package probe

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	stdlog "log"
	"os"
	"slices"
	"strings"

	"github.com/goss-org/goss"
	"github.com/goss-org/goss/resource"
	"github.com/goss-org/goss/util"

	"github.com/slipway-sh/slipway/check"
	"github.com/slipway-sh/slipway/gossfile"
)

// maxShown is how much of a value is shown, bytes.
const maxShown = 300

// Main is the whole program: it runs the goss file that its argument names and writes a [check.Found] in JSON. The exit status is 0
// whatever was found, 2 if it was not told what to do.
func Main(args []string, out, problems io.Writer) int {
	if len(args) != 2 {
		fmt.Fprintln(problems, "usage: slipway-probe GOSSFILE")
		return 2
	}
	stdlog.SetOutput(io.Discard) //nolint:forbidigo // goss tells there what it does
	found, err := Run(args[1])
	if err != nil {
		found = check.Found{Error: err.Error()}
	}
	if err := json.NewEncoder(out).Encode(found); err != nil {
		fmt.Fprintln(problems, err)
		return 1
	}
	return 0
}

// Run runs a goss file, whose template actions see this process's environment. An error is a mistake in the file, and names it.
func Run(name string) (found check.Found, err error) {
	// Goss panics at some mistakes, such as a regular expression in a template that is none.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: goss cannot run it: %v", name, r)
		}
	}()
	if err := inspect(name); err != nil {
		return found, err
	}
	config, err := util.NewConfig(util.WithSpecFile(name))
	if err != nil {
		return found, err
	}
	results, err := goss.ValidateResults(config)
	if err != nil {
		return found, fmt.Errorf("%s: %w", name, err)
	}
	for group := range results {
		for _, r := range group {
			found.Results = append(found.Results, finding(r))
		}
	}
	slices.SortStableFunc(found.Results, func(a, b check.Finding) int { return cmp.Compare(a.Name, b.Name) })
	return found, nil
}

// inspect finds the mistakes that goss does not mind, such as a resource that it does not know.
func inspect(name string) error {
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	render, err := goss.NewTemplateFilter("", "")
	if err != nil {
		return err
	}
	rendered, err := render(content)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return gossfile.CheckRendered(name, rendered)
}

func finding(r resource.TestResult) check.Finding {
	f := check.Finding{
		Name:    fmt.Sprintf("%s %s: %s", strings.ToLower(r.ResourceType), r.ResourceId, r.Property),
		Passed:  r.Result == resource.SUCCESS,
		Skipped: r.Skipped,
	}
	if f.Passed || f.Skipped {
		return f
	}
	if r.Err != nil {
		f.Detail = strings.TrimSpace(r.Err.Error())
		return f
	}
	m := r.MatcherResult
	actual := shown(m.Actual)
	if strings.HasPrefix(actual, `"object: *`) { // of a stream goss knows no more than its type
		actual = "it"
	}
	f.Detail = strings.TrimSpace(fmt.Sprintf("want %s %s %s", actual, m.Message, shown(m.Expected)))
	if m.MissingElements != nil {
		f.Detail += fmt.Sprintf(", missing %s", shown(m.MissingElements))
	}
	return f
}

// shown returns a value as JSON, shortened.
func shown(v any) string {
	if v == nil {
		return ""
	}
	b, err := json.Marshal(v)
	if err != nil {
		b = fmt.Append(nil, v)
	}
	if len(b) > maxShown {
		return strings.ToValidUTF8(string(b[:maxShown]), "") + "…"
	}
	return string(b)
}
