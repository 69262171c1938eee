package slipway

import (
	"io/fs"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

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
	if i.Irreversible && reflect.DeepEqual(i.Service, Service{}) {
		p.add("image.irreversible", "cannot be irreversible: an image that runs nothing changes nothing; say so where image.service is")
	}
	p.tests("image.tests", i.Tests, i.Service.Port)
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
	for i, dir := range s.State {
		p.imagePath(index(key(place, "state"), i), dir, true)
		if dir == "/" {
			p.add(index(key(place, "state"), i), "cannot take all of the machine for state: name the directories that the service writes to")
		}
	}
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

// tests looks at the tests of an image whose service listens on port, 0 if it does not.
func (p *problems) tests(place string, tests []Test, port int) {
	for i, t := range tests {
		place := index(place, i)
		if p.oneOf(place, field{"http", t.HTTP != nil}, field{"tcp", t.TCP != nil}, field{"command", t.Command != nil},
			field{"file", t.File != nil}, field{"package", t.Package != nil}, field{"user", t.User != nil},
			field{"goss", t.Goss != ""}, field{"script", t.Script != nil}) {
			p.test(place, t, port)
		}
	}
}

// test looks at a test of which one field is set.
func (p *problems) test(place string, t Test, port int) {
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
		p.commandTest(key(place, "command"), *t.Command)
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

func (p *problems) commandTest(place string, c CommandTest) {
	if len(c.Run) == 0 || c.Run[0] == "" {
		p.add(key(place, "run"), "cannot test without a command: write run: [program, argument]")
	}
	p.words(key(place, "run"), c.Run)
	if c.Exit < 0 || c.Exit > 255 {
		p.add(key(place, "exit"), "cannot expect exit status %d: want 0 to 255", c.Exit)
	}
	p.duration(key(place, "timeout"), c.Timeout)
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
