package packer

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/manifest"
)

// packerVersion is the version of Packer whose templates are read, for templates that ask for it.
const packerVersion = "1.6.6"

// scope is what the functions in {{…}} of a text can see.
type scope struct {
	name, kind string                       // of the build; "" outside of one
	dir        string                       // of a JSON template; "" in HCL, where it is ${path.root}
	cwd        string                       // what relative paths are relative to
	now        time.Time                    // what takes the place of the current time
	user       func(string) (string, error) // the value of a variable; nil in HCL
	env        func(string) string          // the environment's; nil where Packer does not let it be read
	secrets    *secrets
}

// unrepeatable says why a function that gives something else every time cannot be used.
const unrepeatable = "it gives something else every time, so that no layer could be taken from the cache or built again; " +
	"hand the value in with --var"

// refusedFunctions are Packer's functions that cannot be had, in both kinds of template.
var refusedFunctions = map[string]string{
	"uuid":               unrepeatable,
	"uuidv4":             unrepeatable,
	"bcrypt":             unrepeatable,
	"vault":              "slipway does not speak to Vault; hand the value in with --var, as a sensitive variable",
	"consul_key":         "slipway does not speak to Consul; hand the value in with --var",
	"aws_secretsmanager": "slipway does not speak to AWS; hand the value in with --var, as a sensitive variable",
	"build":              "it speaks of a running machine, and a bake has none",
	"rsadecrypt":         "it is not supported; hand the value in with --var, as a sensitive variable",
	"consul_keys":        "slipway does not speak to Consul; hand the value in with --var",
}

// unavailable is the error of a function. It ends up as the message of a text that uses that.
type unavailable string

func (u unavailable) Error() string { return string(u) }

func (s *scope) functions() template.FuncMap {
	f := template.FuncMap{
		"build_name": func() (string, error) { return s.ofBuild("build_name", s.name) },
		"build_type": func() (string, error) { return s.ofBuild("build_type", s.kind) },
		"template_dir": func() (string, error) {
			if s.dir == "" {
				return "", unavailable("cannot use template_dir here: in HCL it is ${path.root}")
			}
			return s.dir, nil
		},
		"pwd":       func() string { return s.cwd },
		"timestamp": func() string { return fmt.Sprint(s.now.Unix()) },
		"isotime":   s.isotime,
		"strftime": func(string) (string, error) {
			return "", unavailable("cannot use strftime: it is not supported; use isotime")
		},
		"packer_version":      func() string { return packerVersion },
		"upper":               strings.ToUpper,
		"lower":               strings.ToLower,
		"replace":             func(old, new string, n int, text string) string { return strings.Replace(text, old, new, n) },
		"replace_all":         func(old, new, text string) string { return strings.ReplaceAll(text, old, new) },
		"split":               split,
		"clean_resource_name": func(name string) string { return unclean.ReplaceAllString(name, "-") },
		"user": func(name string) (string, error) {
			if s.user == nil {
				return "", unavailable(fmt.Sprintf("cannot use user here: in HCL it is ${var.%s}", name))
			}
			return s.user(name)
		},
		"env": func(name string) (string, error) {
			if s.env == nil {
				return "", unavailable(fmt.Sprintf("cannot use env here: only the values of variables may read the environment; "+
					"write a variable with the value \"{{env `%s`}}\"", name))
			}
			return s.env(name), nil
		},
	}
	for name, why := range refusedFunctions {
		f[name] = func(...string) (string, error) { return "", unavailable("cannot use " + name + ": " + why) }
	}
	return f
}

// unclean matches what names of images on most clouds cannot have.
var unclean = regexp.MustCompile(`[^A-Za-z0-9_-]`)

func (s *scope) ofBuild(function, value string) (string, error) {
	if value == "" {
		return "", unavailable("cannot use " + function + " here: it is only known in builders, provisioners and post-processors")
	}
	return value, nil
}

func (s *scope) isotime(layout ...string) (string, error) {
	switch len(layout) {
	case 0:
		return s.now.Format(time.RFC3339), nil
	case 1:
		return s.now.Format(layout[0]), nil
	}
	return "", unavailable("cannot use isotime: want one layout, or none")
}

func split(text, separator string, n int) (string, error) {
	parts := strings.Split(text, separator)
	if n < 0 || n >= len(parts) {
		return "", unavailable(fmt.Sprintf("cannot use split: %q has %d parts, so there is no number %d", text, len(parts), n))
	}
	return parts[n], nil
}

// render replaces {{…}} in t. data is what {{.Name}} speaks of, nil for nothing. Its error is Invalid, at the place of t.
func (s *scope) render(t text, data map[string]string) (string, error) {
	if !strings.Contains(t.string, "{{") {
		return t.string, nil
	}
	fail := func(format string, args ...any) (string, error) {
		return "", slipway.Errorf(slipway.Invalid, format, args...).At(t.at.String())
	}
	functions := s.functions()
	tmpl, err := template.New("").Option("missingkey=error").Funcs(functions).Parse(t.string)
	if err != nil {
		_, message, _ := strings.Cut(strings.TrimPrefix(err.Error(), "template: "), ": ")
		if m := undefinedFunction.FindStringSubmatch(message); m != nil {
			return fail("cannot use the function %s: there is none; %s", m[1], manifest.Suggestion(m[1], slices.Sorted(maps.Keys(functions))))
		}
		return fail("cannot read {{…}} in it: %s", strings.TrimPrefix(message, ":1: "))
	}
	if data == nil {
		data = map[string]string{}
	}
	var out strings.Builder
	if err := tmpl.Execute(&limited{b: &out}, data); err != nil {
		var u unavailable
		var placed *slipway.Error
		switch {
		case errors.As(err, &placed): // of a variable that it uses
			return "", placed
		case errors.As(err, &u):
			return fail("%s", u)
		}
		message := err.Error()
		if i := strings.LastIndex(message, "executing"); i >= 0 {
			message = message[i:]
		}
		if m := missingKey.FindStringSubmatch(message); m != nil {
			if len(data) == 0 {
				return fail("cannot use {{.%s}} here: there is nothing it could stand for", m[1])
			}
			return fail("cannot use {{.%s}} here: %s", m[1], manifest.Suggestion(m[1], slices.Sorted(maps.Keys(data))))
		}
		return fail("cannot use {{…}} in it: %s", message)
	}
	if err := s.secrets.whole(out.String()); err != nil {
		return fail("%w", err)
	}
	return out.String(), nil
}

var (
	undefinedFunction = regexp.MustCompile(`function "([^"]+)" not defined`)
	missingKey        = regexp.MustCompile(`map has no entry for key "([^"]*)"`)
)

// maxRendered is the longest text that {{…}} may make, bytes.
const maxRendered = 4 << 20

// limited stops a template that renders without end.
type limited struct{ b *strings.Builder }

func (l *limited) Write(p []byte) (int, error) {
	if l.b.Len()+len(p) > maxRendered {
		return 0, unavailable(fmt.Sprintf("cannot use {{…}} in it: it makes more than %d MiB of text", maxRendered>>20))
	}
	return l.b.Write(p)
}

// absolute returns the path with relative ones below dir.
func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}
