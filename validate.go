package slipway

import (
	"errors"
	"maps"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// anyPort stands for the port of a service that is not known here.
const anyPort = 1

// Validate returns nil, or every mistake in s as Invalid errors joined into one. The Place of each is a path into the
// spec such as "image.layers[2].copy.to".
func (s Spec) Validate() error {
	var p problems
	p.spec(s)
	return p.err()
}

// Validate is as [Spec.Validate], for one environment alone: places start inside it ("size").
func (e Environment) Validate() error {
	var p problems
	p.environment("", e, anyPort)
	return p.err()
}

// Validate returns nil, or every mistake in r as Invalid errors joined into one: in the spec, in the version label, and in
// the context, whose entries must have unique clean relative paths, well formed digests, and links that stay inside it.
func (r BakeRequest) Validate() error {
	var p problems
	p.bakeRequest(r)
	return p.err()
}

// Validate is as [BakeRequest.Validate]; besides, the environments must be defined in the spec, each named once.
func (r ShipRequest) Validate() error {
	var p problems
	p.bakeRequest(r.BakeRequest)
	if len(r.Environments) == 0 {
		p.add("environments", "cannot ship nowhere: name at least one environment")
	}
	for i, name := range r.Environments {
		place := index("environments", i)
		env, ok := r.Spec.Environments[name]
		if ok && r.Deploy.Strategy != nil {
			p.override("deploy.strategy", *r.Deploy.Strategy, &env)
		}
		if !ok {
			p.add(place, "cannot ship to %q: slipway.yaml defines %s", name, nameList(r.Spec.Environments))
		} else if slices.Contains(r.Environments[:i], name) {
			p.add(place, "cannot ship to %q twice: name it once", name)
		}
	}
	p.conflict("deploy.on_conflict", r.Deploy.OnConflict)
	p.urgent("deploy.reason", r.Deploy.Reason, r.Deploy.Hotfix, r.Deploy.Override, r.Deploy.Force)
	return p.err()
}

// Validate returns nil, or every mistake in r as Invalid errors joined into one. Whether what it names exists is not its business.
func (r DeployRequest) Validate() error {
	var p problems
	p.cluster(r.Cluster)
	if r.Image == "" {
		p.add("image", "cannot deploy without an image: give a channel, a version label, a digest, or at least six of its first digits")
	}
	if r.Environment != nil {
		p.environment("environment", *r.Environment, anyPort)
	}
	if r.ConfigVersion < 0 {
		p.add("config_version", "cannot deploy version %d of the configuration: versions count from 1", r.ConfigVersion)
	}
	if r.Strategy != nil {
		p.override("strategy", *r.Strategy, r.Environment)
	}
	p.conflict("on_conflict", r.OnConflict)
	p.urgent("reason", r.Reason, r.Hotfix, r.Override, r.Force)
	return p.err()
}

// Validate is as [DeployRequest.Validate].
func (r RollbackRequest) Validate() error {
	var p problems
	p.cluster(r.Cluster)
	p.urgent("reason", r.Reason, false, r.Override, r.Force)
	return p.err()
}

// ValidateVersion returns an Invalid error unless label can label an image: 1 to 128 letters, digits, dots, dashes, pluses
// and underscores, a letter or digit first. "latest" is taken: it always means the newest image.
func ValidateVersion(label string) error {
	if !versionForm.MatchString(label) {
		return Errorf(Invalid, "cannot use %q as a version: want up to 128 letters, digits, dots, dashes, pluses and underscores, starting with a letter or digit", label)
	}
	if label == "latest" {
		return Errorf(Invalid, "cannot use \"latest\" as a version: it always means the newest image")
	}
	return nil
}

// problems gathers mistakes. Its methods take the place of what they look at, "" for the top.
type problems []error

func (p *problems) err() error { return errors.Join(*p...) }

func (p *problems) add(place, format string, args ...any) {
	*p = append(*p, Errorf(Invalid, format, args...).At(place))
}

// check adds err, an *Error or nil, at place.
func (p *problems) check(place string, err error) {
	if err != nil {
		p.add(place, "%s", MessageOf(err))
	}
}

func (p *problems) spec(s Spec) {
	if s.Application == "" {
		p.add("application", "cannot do without the application's name: write application: <name>")
	} else {
		p.check("application", ValidateName("application", s.Application))
	}
	p.image(s.Image)
	if reflect.DeepEqual(s.Image.Service, Service{}) && len(s.Environments) > 0 {
		p.add("image.service", "cannot deploy an image that runs nothing: write image.service.command, or leave environments out for an image that others build on")
	}
	p.pipelines(s)
	if r := s.Retention; r != nil {
		p.notNegative("retention.keep", float64(r.Keep))
		p.notNegative("retention.days", float64(r.Days))
	}
	if rest, ok := strings.CutPrefix(s.Image.From, "image:"); ok {
		if base, _, _ := strings.Cut(rest, "@"); base == s.Application {
			p.add("image.from", "cannot build %s on itself", base)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Environments)) {
		place := key("environments", name)
		p.check(place, ValidateName("environment", name))
		p.environment(place, s.Environments[name], s.Image.Service.Port)
		if c := s.Environments[name].Policy.Promotion; c != nil {
			p.promotionIn(key(place, "policy.promotion"), Cluster{Application: s.Application, Environment: name}, *c, s.Environments)
		}
	}
}

func (p *problems) cluster(c Cluster) {
	p.check("cluster.application", ValidateName("application", c.Application))
	p.check("cluster.environment", ValidateName("environment", c.Environment))
}

func (p *problems) bakeRequest(r BakeRequest) {
	p.spec(r.Spec)
	if r.Version != "" {
		p.check("version", ValidateVersion(r.Version))
	}
	for i, name := range r.NoCache {
		if name == "" {
			p.add(index("no_cache", i), "cannot tell which layer to build anew: want its number, its name, or all")
		}
	}
	for i, id := range r.After {
		if !strings.HasPrefix(id, "b-") {
			p.add(index("after", i), "cannot wait for %q: want the ID of a bake (b-…)", id)
		}
	}
	p.context(r.Context)
}

type field struct {
	name string
	set  bool
}

// oneOf adds a problem and returns false unless exactly one of fields is set.
func (p *problems) oneOf(place string, fields ...field) bool {
	var all, set []string
	for _, f := range fields {
		all = append(all, f.name)
		if f.set {
			set = append(set, f.name)
		}
	}
	switch {
	case len(set) == 0:
		p.add(place, "cannot use an empty entry: write one of %s", strings.Join(all, ", "))
	case len(set) > 1:
		p.add(place, "cannot have %s in one entry: make an entry of each", strings.Join(set, " and "))
	}
	return len(set) == 1
}

func (p *problems) contextPath(place, name string) {
	clean := path.Clean(name)
	switch {
	case name == "":
		p.add(place, "cannot do without a path: write one relative to the directory of slipway.yaml")
	case strings.ContainsRune(name, 0):
		p.add(place, "cannot use %q as a path: it has a zero byte", name)
	case path.IsAbs(name) || clean == ".." || strings.HasPrefix(clean, "../"):
		p.add(place, "cannot use %q: want a path below the directory of slipway.yaml", name)
	case clean != name:
		p.add(place, "cannot use %q: write %q", name, clean)
	}
}

func (p *problems) imagePath(place, name string, root bool) {
	switch {
	case name == "" && root: // what is left of "/"
	case name == "":
		p.add(place, "cannot do without a path in the image: write an absolute one")
	case strings.ContainsRune(name, 0):
		p.add(place, "cannot use %q as a path: it has a zero byte", name)
	case !path.IsAbs(name):
		p.add(place, "cannot use %q as a path in the image: want an absolute one such as %q", name, path.Join("/", name))
	case path.Clean(name) != name:
		p.add(place, "cannot use %q as a path in the image: write %q", name, path.Clean(name))
	case name == "/" && !root:
		p.add(place, "cannot make \"/\" a file: want the file's absolute path in the image")
	}
}

func (p *problems) urlPath(place, name string) {
	if !strings.HasPrefix(name, "/") || strings.ContainsAny(name, " \t\r\n\x00") {
		p.add(place, "cannot use %q as an HTTP path: want a form such as /healthz", name)
	}
}

func (p *problems) ownerMode(place, owner, mode string) {
	if owner != "" && !ownerForm.MatchString(owner) {
		p.add(key(place, "owner"), "cannot use %q as owner: want \"uid:gid\" in digits, such as \"1000:1000\"", owner)
	}
	if mode != "" && !modeForm.MatchString(mode) {
		p.add(key(place, "mode"), "cannot use %q as mode: want octal digits in quotes, such as \"0755\"", mode)
	}
}

func (p *problems) env(place string, env map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if !envForm.MatchString(name) {
			p.add(key(place, name), "cannot use %q as an environment variable: want letters, digits and underscores, no digit first", name)
		}
		if strings.ContainsRune(env[name], 0) {
			p.add(key(place, name), "cannot use the value of %s: it has a zero byte", name)
		}
	}
}

// words looks at a command's words, which end at a zero byte when a machine runs them.
func (p *problems) words(place string, words []string) {
	for i, w := range words {
		if strings.ContainsRune(w, 0) {
			p.add(index(place, i), "cannot run %q: it has a zero byte", w)
		}
	}
}

func (p *problems) port(place string, port int, optional bool) {
	if port < 0 || port > 65535 || port == 0 && !optional {
		p.add(place, "cannot use port %d: want 1 to 65535", port)
	}
}

func (p *problems) duration(place string, d Duration) {
	if d < 0 {
		p.add(place, "cannot use a negative duration")
	}
}

func (p *problems) notNegative(place string, n float64) {
	if !(n >= 0) { // false for NaN too
		p.add(place, "cannot use %v: want 0 or more", n)
	}
}

// key and index name a place inside place.
func key(place, name string) string {
	if place == "" {
		return name
	}
	return place + "." + name
}

func index(place string, i int) string { return place + "[" + strconv.Itoa(i) + "]" }

func nameList[V any](m map[string]V) string {
	if len(m) == 0 {
		return "no environment"
	}
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}
