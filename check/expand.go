package check

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/slipway-sh/slipway"
)

var (
	variableForm = regexp.MustCompile(`^\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})`)
	// labelSafe stands for itself in a string of any quotes, and in a regular expression.
	labelSafe  = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	metricSafe = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
)

// Variables returns what stands for what in the PromQL of a deployment's checks: $application, $environment, $group, which is the new
// server group, $source and $baseline. A name that the deployment does not have is empty.
func Variables(d slipway.Deployment) map[string]string {
	return map[string]string{
		"application": d.Cluster.Application, "environment": d.Cluster.Environment,
		"group": d.Target, "source": d.Source, "baseline": d.Baseline,
	}
}

// Expand returns the PromQL query with values instead of variables, $group or ${group}. "$$" is a dollar; so is one that no name
// follows, as at the end of a regular expression or in "$1". Values are never taken for PromQL: one is Invalid that is more than letters,
// digits, dashes and underscores, or, where it is not between quotes, has a dash, which would subtract. Invalid as well are a variable
// that is not in vars and one that is empty: it would match what has no such label.
func Expand(query string, vars map[string]string) (string, error) {
	var out strings.Builder
	quote := byte(0) // that the string is in, '#' in a comment, 0 outside
	for i := 0; i < len(query); i++ {
		c := query[i]
		if c == '$' && quote != '#' {
			if strings.HasPrefix(query[i:], "$$") {
				out.WriteByte('$')
				i++
				continue
			}
			if m := variableForm.FindStringSubmatch(query[i:]); m != nil {
				value, err := valueOf(m[1]+m[2], m[0], vars, quote != 0)
				if err != nil {
					return "", err
				}
				out.WriteString(value)
				i += len(m[0]) - 1
				continue
			}
			if strings.HasPrefix(query[i:], "${") && !oneOf(query, i+2, "0123456789") { // "${1}" is label_replace's
				return "", slipway.Errorf(slipway.Invalid, "cannot use %q in a query: want a variable such as ${group}; write $$ for a dollar", cut(query[i:], 20))
			}
		}
		out.WriteByte(c)
		switch {
		case quote == '#' && c == '\n', quote != 0 && quote != '#' && c == quote:
			quote = 0
		case quote == 0 && strings.IndexByte("\"'`#", c) >= 0:
			quote = c
		case (quote == '"' || quote == '\'') && c == '\\' && i+1 < len(query) && query[i+1] != '$':
			i++
			out.WriteByte(query[i])
		}
	}
	return out.String(), nil
}

func valueOf(name, written string, vars map[string]string, quoted bool) (string, error) {
	value, known := vars[name]
	switch {
	case !known:
		return "", slipway.Errorf(slipway.Invalid, "cannot use %s in a query: want one of $%s; write $$ for a dollar",
			written, strings.Join(slices.Sorted(maps.Keys(vars)), ", $"))
	case value == "":
		return "", slipway.Errorf(slipway.Invalid, "cannot use %s in a query: this deployment has none", written)
	case !labelSafe.MatchString(value):
		return "", slipway.Errorf(slipway.Invalid, "cannot use %s in a query: %q is more than letters, digits, dashes and underscores", written, value)
	case !quoted && !metricSafe.MatchString(value):
		return "", slipway.Errorf(slipway.Invalid, "cannot use %s in a query outside quotes: the dash in %s would subtract; put it between quotes, as in {group=\"%s\"}",
			written, value, written)
	}
	return value, nil
}

func oneOf(text string, i int, set string) bool {
	return i < len(text) && strings.IndexByte(set, text[i]) >= 0
}
