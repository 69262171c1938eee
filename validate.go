package slipway

import (
	"errors"
	"io/fs"
	"maps"
	"net/netip"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The most instances a server group may have, and the most disabled groups a cluster may keep.
const (
	maxSize = 1000
	maxKeep = 100
)

// anyPort stands for the port of a service that is not known here.
const anyPort = 1

// maxLinks is how many symbolic links may be followed one after the other, as in Linux.
const maxLinks = 40

var (
	suiteForm   = regexp.MustCompile(`^[a-z][a-z0-9.-]*$`)
	packageForm = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]*(:[a-z0-9]+)?(=[A-Za-z0-9.+:~-]+)?$`)
	// ociForm is loose: the registry's library reads references, and says more of what is wrong with one.
	ociForm     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]*$`)
	digestForm  = regexp.MustCompile(`^(sha256:)?[0-9a-f]{6,64}$`)
	secretForm  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$`)
	sha256Form  = regexp.MustCompile(`^[0-9a-f]{64}$`)
	loginForm   = regexp.MustCompile(`^[a-z_][a-z0-9_.-]{0,31}\$?$`)
	envForm     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	userForm    = regexp.MustCompile(`^([0-9]{1,9}(:[0-9]{1,9})?|[a-z_][a-z0-9_-]{0,31})$`)
	ownerForm   = regexp.MustCompile(`^[0-9]{1,9}:[0-9]{1,9}$`)
	modeForm    = regexp.MustCompile(`^0?[0-7]{3,4}$`)
	versionForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$`)
)

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
		if _, ok := r.Spec.Environments[name]; !ok {
			p.add(place, "cannot ship to %q: slipway.yaml defines %s", name, nameList(r.Spec.Environments))
		} else if slices.Contains(r.Environments[:i], name) {
			p.add(place, "cannot ship to %q twice: name it once", name)
		}
	}
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
	return p.err()
}

// Validate is as [DeployRequest.Validate].
func (r RollbackRequest) Validate() error {
	var p problems
	p.cluster(r.Cluster)
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
	}
}

func (p *problems) image(i ImageSpec) {
	p.from(i.From)
	for n, l := range i.Layers {
		place := index("image.layers", n)
		p.layer(place, l)
		if len(l.Packages) > 0 && i.From == "scratch" {
			p.add(key(place, "packages"), "cannot install packages into an empty image: write image.from: debian:<suite>")
		}
	}
	if !reflect.DeepEqual(i.Service, Service{}) {
		p.service("image.service", i.Service)
	} else if len(i.Tests) > 0 {
		p.add("image.service", "cannot test an image that runs nothing: write image.service.command, or leave image.tests out")
	}
	p.tests("image.tests", i.Tests, i.Service.Port, true)
}

func (p *problems) from(from string) {
	const place, want = "image.from", "want scratch, debian:<suite>, rootfs:<file.tar[.gz]>, oci:<reference> or image:<application>[@<digest, channel or version>]"
	kind, rest, _ := strings.Cut(from, ":")
	switch {
	case from == "":
		p.add(place, "cannot bake from nothing said: %s", want)
	case from == "scratch":
	case kind == "debian":
		if !suiteForm.MatchString(rest) {
			p.add(place, "cannot use %q as a Debian suite: want a form such as debian:bookworm", rest)
		}
	case kind == "rootfs":
		p.contextPath(place, rest)
		if !strings.HasSuffix(rest, ".tar") && !strings.HasSuffix(rest, ".tar.gz") && !strings.HasSuffix(rest, ".tgz") {
			p.add(place, "cannot use %q as a root filesystem: want a .tar, .tar.gz or .tgz file", rest)
		}
	case kind == "oci":
		if !ociForm.MatchString(rest) {
			p.add(place, "cannot use %q as a registry's image: want a form such as oci:registry.example.com/team/base:1.2 or …@sha256:…", rest)
		}
	case kind == "image":
		application, ref, pinned := strings.Cut(rest, "@")
		p.check(place, ValidateName("application", application))
		if pinned && !digestForm.MatchString(ref) && !versionForm.MatchString(ref) {
			p.add(place, "cannot use %q to name an image of %s: want a digest, a channel or a version", ref, application)
		}
	default:
		p.add(place, "cannot bake from %q: %s", from, want)
	}
}

func (p *problems) layer(place string, l Layer) {
	if !p.oneOf(place, field{"copy", l.Copy != nil}, field{"packages", l.Packages != nil}, field{"run", l.Run != nil}, field{"template", l.Template != nil}) {
		return
	}
	switch {
	case l.Copy != nil:
		place = key(place, "copy")
		p.contextPath(key(place, "from"), l.Copy.From)
		p.imagePath(key(place, "to"), strings.TrimSuffix(l.Copy.To, "/"), l.Copy.To == "/")
		p.ownerMode(place, l.Copy.Owner, l.Copy.Mode)
	case l.Packages != nil:
		p.packages(key(place, "packages"), l.Packages)
	case l.Run != nil:
		p.run(key(place, "run"), *l.Run)
	case l.Template != nil:
		place = key(place, "template")
		p.contextPath(key(place, "from"), l.Template.From)
		p.imagePath(key(place, "to"), l.Template.To, false)
		p.ownerMode(place, l.Template.Owner, l.Template.Mode)
	}
}

func (p *problems) packages(place string, names []string) {
	if len(names) == 0 {
		p.add(place, "cannot install no packages: name at least one, or leave the layer out")
	}
	for i, name := range names {
		if !packageForm.MatchString(name) {
			p.add(index(place, i), "cannot use %q as a package: want a name such as nginx-light or nginx-light=1.22.1-9", name)
		}
	}
}

func (p *problems) run(place string, r RunLayer) {
	p.contextPath(key(place, "script"), r.Script)
	for i, glob := range r.Inputs {
		if glob == "" || path.IsAbs(glob) || slices.Contains(strings.Split(glob, "/"), "..") {
			p.add(index(key(place, "inputs"), i), "cannot use %q as input: want a pattern such as provision/** relative to the directory of slipway.yaml", glob)
		}
	}
	p.env(key(place, "env"), r.Env)
	for i, name := range r.Secrets {
		if !secretForm.MatchString(name) {
			p.add(index(key(place, "secrets"), i), "cannot use %q as the name of a secret: want up to 64 letters, digits, dots, dashes and underscores", name)
		} else if slices.Contains(r.Secrets[:i], name) {
			p.add(index(key(place, "secrets"), i), "cannot have the secret %q twice", name)
		}
	}
	p.duration(key(place, "timeout"), r.Timeout)
}

func (p *problems) service(place string, s Service) {
	if len(s.Command) == 0 || s.Command[0] == "" {
		p.add(key(place, "command"), "cannot run a machine without a command: write command: [/path/of/program, argument]")
	}
	p.words(key(place, "command"), s.Command)
	if s.User != "" && !userForm.MatchString(s.User) {
		p.add(key(place, "user"), "cannot use %q as user: want a name, \"uid\" or \"uid:gid\"", s.User)
	}
	p.env(key(place, "env"), s.Env)
	if s.Directory != "" {
		p.imagePath(key(place, "directory"), s.Directory, true)
	}
	p.port(key(place, "port"), s.Port, true)
	p.health(key(place, "health"), s.Health, s.Port)
	p.duration(key(place, "drain"), s.Drain)
	if time.Duration(s.Drain) > MaxDrain {
		p.add(key(place, "drain"), "cannot drain for %s: want at most %s", time.Duration(s.Drain), MaxDrain)
	}
}

func (p *problems) health(place string, h Health, port int) {
	if h.HTTP != "" {
		p.urlPath(key(place, "http"), h.HTTP)
		if port == 0 {
			p.add(key(place, "http"), "cannot ask for health without a port: write image.service.port, or leave http out")
		}
	}
	p.duration(key(place, "interval"), h.Interval)
	p.duration(key(place, "timeout"), h.Timeout)
	p.notNegative(key(place, "failures"), float64(h.Failures))
}

// tests looks at image tests or smoke checks of a service that listens on port, 0 if it does not. Only where there is a build
// context may they use its files.
func (p *problems) tests(place string, tests []Test, port int, context bool) {
	for i, t := range tests {
		p.test(index(place, i), t, port, context)
	}
}

func (p *problems) test(place string, t Test, port int, context bool) {
	if !p.oneOf(place, field{"http", t.HTTP != nil}, field{"tcp", t.TCP != nil}, field{"command", t.Command != nil},
		field{"file", t.File != nil}, field{"package", t.Package != nil}, field{"user", t.User != nil},
		field{"goss", t.Goss != ""}, field{"script", t.Script != nil}) {
		return
	}
	if (t.Goss != "" || t.Script != nil) && !context {
		p.add(place, "cannot run a goss file or a script as a check of a deployment: write it in image.tests")
		return
	}
	needPort := func(place string, own int) {
		p.port(key(place, "port"), own, true)
		if own == 0 && port == 0 {
			p.add(place, "cannot connect without a port: write one here or in image.service.port")
		}
	}
	switch {
	case t.HTTP != nil:
		place = key(place, "http")
		p.urlPath(key(place, "path"), t.HTTP.Path)
		needPort(place, t.HTTP.Port)
		if s := t.HTTP.Status; s != 0 && (s < 100 || s > 599) {
			p.add(key(place, "status"), "cannot expect status %d: want 100 to 599", s)
		}
		p.duration(key(place, "timeout"), t.HTTP.Timeout)
	case t.TCP != nil:
		place = key(place, "tcp")
		needPort(place, t.TCP.Port)
		p.duration(key(place, "timeout"), t.TCP.Timeout)
	case t.Command != nil:
		place = key(place, "command")
		if len(t.Command.Run) == 0 || t.Command.Run[0] == "" {
			p.add(key(place, "run"), "cannot test without a command: write run: [program, argument]")
		}
		p.words(key(place, "run"), t.Command.Run)
		if t.Command.Exit < 0 || t.Command.Exit > 255 {
			p.add(key(place, "exit"), "cannot expect exit status %d: want 0 to 255", t.Command.Exit)
		}
		p.duration(key(place, "timeout"), t.Command.Timeout)
	case t.File != nil:
		p.fileTest(key(place, "file"), *t.File)
	case t.Package != nil:
		place = key(place, "package")
		if !packageForm.MatchString(t.Package.Name) || strings.Contains(t.Package.Name, "=") {
			p.add(key(place, "name"), "cannot use %q as a package: want a name such as nginx-light", t.Package.Name)
		}
		p.contradiction(place, t.Package.Absent, t.Package.Version != "")
	case t.User != nil:
		u := t.User
		place = key(place, "user")
		if !loginForm.MatchString(u.Name) {
			p.add(key(place, "name"), "cannot use %q as a user: want a name such as www-data", u.Name)
		}
		if u.UID != nil {
			p.notNegative(key(place, "uid"), float64(*u.UID))
		}
		p.contradiction(place, u.Absent, u.UID != nil || len(u.Groups) > 0 || u.Home != "" || u.Shell != "")
	case t.Goss != "":
		p.contextPath(key(place, "goss"), t.Goss)
	case t.Script != nil:
		p.scriptTest(key(place, "script"), *t.Script)
	}
}

func (p *problems) fileTest(place string, f FileTest) {
	p.imagePath(key(place, "path"), f.Path, f.Path != "")
	switch f.Type {
	case "", "file", "directory", "symlink":
	default:
		p.add(key(place, "type"), "cannot expect the type %q: want file, directory or symlink", f.Type)
	}
	p.ownerMode(place, f.Owner, f.Mode)
	if f.SHA256 != "" && !sha256Form.MatchString(f.SHA256) {
		p.add(key(place, "sha256"), "cannot use %q as a SHA-256: want 64 hexadecimal digits", f.SHA256)
	}
	if f.Target != "" && f.Type != "symlink" {
		p.add(key(place, "target"), "cannot expect a target of what is no link: write type: symlink")
	}
	if (f.Contains != "" || f.SHA256 != "") && f.Type != "" && f.Type != "file" {
		p.add(place, "cannot look into a %s: only a file has content", f.Type)
	}
	p.contradiction(place, f.Absent, f.Type != "" || f.Mode != "" || f.Owner != "" || f.Target != "" || f.Contains != "" || f.SHA256 != "")
}

func (p *problems) scriptTest(place string, s ScriptTest) {
	p.contextPath(key(place, "directory"), s.Directory)
	if len(s.Run) == 0 || s.Run[0] == "" {
		p.add(key(place, "run"), "cannot test without a program: write run: [./verify.sh, argument]")
	} else if !path.IsAbs(s.Run[0]) && !fs.ValidPath(path.Clean(s.Run[0])) {
		p.add(key(place, "run"), "cannot run %q: want a path inside of the directory, or an absolute one in the machine", s.Run[0])
	}
	p.words(key(place, "run"), s.Run)
	p.env(key(place, "env"), s.Env)
	if s.User != "" && !userForm.MatchString(s.User) {
		p.add(key(place, "user"), "cannot use %q as user: want a name, \"uid\" or \"uid:gid\"", s.User)
	}
	p.duration(key(place, "timeout"), s.Timeout)
}

// contradiction adds a problem for a test that wants something absent, and to have properties.
func (p *problems) contradiction(place string, absent, wants bool) {
	if absent && wants {
		p.add(key(place, "absent"), "cannot expect anything else of what must be absent")
	}
}

// environment looks at an environment of a service that listens on port, 0 if it does not.
func (p *problems) environment(place string, e Environment, port int) {
	if e.Account != "" && e.Account != "local" {
		p.add(key(place, "account"), "cannot use account %q: this version knows local only", e.Account)
	}
	if e.Size != (Size{}) {
		p.size(key(place, "size"), e.Size)
	}
	if e.LoadBalancer != nil {
		lb := key(place, "load_balancer")
		p.port(key(lb, "port"), e.LoadBalancer.Port, false)
		if a := e.LoadBalancer.Address; a != "" {
			if _, err := netip.ParseAddr(a); err != nil {
				p.add(key(lb, "address"), "cannot listen on %q: want an IP address such as 127.0.0.1", a)
			}
		}
		if port == 0 {
			p.add(lb, "cannot balance load without a port to send it to: write image.service.port, or leave load_balancer out")
		}
	}
	p.strategy(key(place, "strategy"), e.Strategy)
	p.env(key(place, "config"), e.Config)
	p.notNegative(key(place, "limits.cpu"), e.Limits.CPU)
	p.notNegative(key(place, "limits.memory"), float64(e.Limits.Memory))
	p.notNegative(key(place, "limits.pids"), float64(e.Limits.PIDs))
	for i, c := range e.Checks {
		if t, ok := c.Test(); ok {
			p.test(index(key(place, "checks"), i), t, port, false)
		}
	}
	p.duration(key(place, "healthy"), e.Healthy)
}

func (p *problems) size(place string, s Size) {
	switch {
	case s.Min < 0:
		p.add(key(place, "min"), "cannot have %d instances: want 0 or more", s.Min)
	case s.Max < 1 || s.Max > maxSize:
		p.add(key(place, "max"), "cannot have at most %d instances: want 1 to %d", s.Max, maxSize)
	case s.Min > s.Desired || s.Desired > s.Max:
		p.add(place, "cannot have min %d, desired %d, max %d: want min <= desired <= max, all three written", s.Min, s.Desired, s.Max)
	case s.Desired == 0:
		p.add(key(place, "desired"), "cannot deploy 0 instances: want 1 or more")
	}
}

func (p *problems) strategy(place string, s Strategy) {
	if s.Highlander != nil && s.RedBlack != nil {
		p.add(place, "cannot follow two strategies: write only one of highlander, redblack")
	}
	if s.Highlander != nil {
		p.duration(key(place, "highlander.watch"), s.Highlander.Watch)
	}
	if s.RedBlack != nil {
		p.duration(key(place, "redblack.watch"), s.RedBlack.Watch)
		if k := s.RedBlack.Keep; k != nil && (*k < 0 || *k > maxKeep) {
			p.add(key(place, "redblack.keep"), "cannot keep %d server groups: want 0 to %d", *k, maxKeep)
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

func (p *problems) context(entries []ContextEntry) {
	byPath := make(map[string]ContextEntry, len(entries))
	for i, e := range entries {
		place := index("context", i)
		if !fs.ValidPath(e.Path) || e.Path == "." || strings.ContainsRune(e.Path, 0) {
			p.add(place, "cannot use %q as a path of the build context: want it relative, clean and inside", e.Path)
			continue
		}
		if _, twice := byPath[e.Path]; twice {
			p.add(place, "cannot have %q twice in the build context", e.Path)
		}
		byPath[e.Path] = e
		p.entry(place, e)
	}
	for i, e := range entries {
		for dir := path.Dir(e.Path); fs.ValidPath(e.Path) && dir != "."; dir = path.Dir(dir) {
			if parent, ok := byPath[dir]; ok && !parent.Dir {
				p.add(index("context", i), "cannot have %q in the build context: %q is not a directory", e.Path, dir)
			}
		}
		if e.Link != "" && fs.ValidPath(e.Path) && !linkStays(byPath, e.Path) {
			p.add(index("context", i), "cannot use the link %q to %q: it leaves the build context", e.Path, e.Link)
		}
	}
}

func (p *problems) entry(place string, e ContextEntry) {
	kinds := 0
	for _, is := range []bool{e.Dir, e.Link != "", e.Digest != ""} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		p.add(place, "cannot tell what %q is: want exactly one of dir, link and digest", e.Path)
	case e.Digest != "":
		p.check(place, e.Digest.Validate())
	case e.Size != 0:
		p.add(place, "cannot use size %d of %q: only files have one", e.Size, e.Path)
	}
	if e.Size < 0 {
		p.add(place, "cannot use size %d of %q: want 0 or more", e.Size, e.Path)
	}
	if e.Mode&^0o7777 != 0 {
		p.add(place, "cannot use mode %#o of %q: want permission bits only", e.Mode, e.Path)
	}
}

// linkStays reports whether the link at name leads to a place inside the context however the links among entries are
// followed. What a link leads to need not exist.
func linkStays(entries map[string]ContextEntry, name string) bool {
	at, todo := ".", strings.Split(name, "/")
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if at == "." {
				return false
			}
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, part)
		link := entries[next].Link
		if link == "" {
			at = next
			continue
		}
		if links++; links > maxLinks || path.IsAbs(link) {
			return false
		}
		todo = append(strings.Split(link, "/"), todo...)
	}
	return true
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
