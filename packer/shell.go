package packer

import (
	"bytes"
	_ "embed"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/slipway-sh/slipway"
)

// sudo is shown to scripts as the last directory of their PATH: they are root already, and the image may have none of its own.
//
//go:embed sudo.sh
var sudo []byte

const (
	visible  = "/context" // where a script sees the build context
	sudoPath = contextRoot + "/bin/sudo"
)

type shellSettings struct {
	Inline            []text          `packer:"inline"`
	InlineShebang     text            `packer:"inline_shebang"`
	Script            text            `packer:"script"`
	Scripts           []text          `packer:"scripts"`
	Binary            bool            `packer:"binary"`
	EnvironmentVars   []text          `packer:"environment_vars"`
	Env               map[string]text `packer:"env"`
	UseEnvVarFile     bool            `packer:"use_env_var_file"`
	EnvVarFormat      text            `packer:"env_var_format"`
	ExecuteCommand    text            `packer:"execute_command,raw"`
	RemotePath        text            `packer:"remote_path"`
	RemoteFolder      text            `packer:"remote_folder"`
	RemoteFile        text            `packer:"remote_file"`
	SkipClean         bool            `packer:"skip_clean"`
	ValidExitCodes    []int           `packer:"valid_exit_codes"`
	ExpectDisconnect  setting         `packer:"expect_disconnect"`
	StartRetryTimeout text            `packer:"start_retry_timeout"`
}

var shellManual = manual{refused: map[string]string{
	"execution_policy":    windows,
	"remote_env_var_path": "it is not supported; leave it out, and the file is called as Packer calls it",
}}

// shell adds a layer for each script of a shell provisioner.
func (t *translation) shell(p provisioner) {
	s := shellSettings{
		InlineShebang: text{"/bin/sh -e", p.at}, RemoteFolder: text{"/tmp", p.at},
		EnvVarFormat: text{"%s='%s' ", p.at},
	}
	if !t.into(p.component, &s, shellManual) {
		return
	}
	t.waits(s)
	given := 0
	for _, is := range []bool{len(s.Inline) > 0, s.Script.given(), len(s.Scripts) > 0} {
		if is {
			given++
		}
	}
	if given != 1 {
		t.problems.add(p.at, "cannot run the shell provisioner: want exactly one of inline, script and scripts")
		return
	}
	if len(s.Inline) > 0 {
		t.inline(p, s)
		return
	}
	scripts := s.Scripts
	if s.Script.given() {
		scripts = []text{s.Script}
	}
	for i, script := range scripts {
		content, err := t.readFile(script.string, script.at)
		if err != nil {
			*t.problems = append(*t.problems, err)
			continue
		}
		name := p.name() + "-" + fileName(script.string)
		if slices.ContainsFunc(scripts[:i], func(s text) bool { return fileName(s.string) == fileName(script.string) }) {
			name += fmt.Sprintf(".%d", i+1)
		}
		t.run(p, s, name, content, script.at)
	}
}

// waits says what the settings that speak of a machine's connection come to.
func (t *translation) waits(s shellSettings) {
	if s.StartRetryTimeout.given() {
		t.note(s.StartRetryTimeout.at, "start_retry_timeout has no effect: there is no machine to wait for")
	}
	if d := s.ExpectDisconnect; d.value != nil && d.value != false && d.value != "false" {
		t.note(d.at, "expect_disconnect has no effect: a sandbox does not reboot, and a script that tries to fails")
	}
}

func (t *translation) inline(p provisioner, s shellSettings) {
	var lines []string
	for _, line := range s.Inline {
		t.secrets.plain(t.problems, line, "a script")
		lines = append(lines, line.string)
	}
	content := "#!" + s.InlineShebang.string + "\n" + strings.Join(lines, "\n") + "\n"
	t.run(p, s, p.name(), []byte(content), s.Inline[0].at)
}

// run adds the layer of one script. A script of our own does there what Packer does over a connection: it puts the script to where
// that wants to be, runs the command, looks at its exit status, tries again if it may, and cleans up.
func (t *translation) run(p provisioner, s shellSettings, name string, content []byte, at place) {
	if !s.Binary {
		content = bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n"))
	}
	remote := s.RemotePath.string
	if remote == "" {
		file := s.RemoteFile.string
		if file == "" {
			file = "script_" + fmt.Sprint(p.number) + ".sh"
		}
		remote = path.Join(s.RemoteFolder.string, file)
	}
	env := t.variables(s)
	data := map[string]string{"Path": remote, "Vars": env.flat(s.EnvVarFormat)}
	source := path.Join(contextRoot, "scripts", name)
	secrets := t.secrets.in(env.values()...)
	var w script
	w.begin(t.home)
	w.need(secrets)
	bring := fmt.Sprintf("cp %s %s && chmod 0755 %s", quoted(visible+"/"+source), quoted(remote), quoted(remote))
	clean := quoted(remote)
	command := s.ExecuteCommand
	if !command.given() {
		command = text{"chmod +x {{.Path}}; {{.Vars}} {{.Path}}", p.at}
	}
	if s.UseEnvVarFile {
		file := path.Join(s.RemoteFolder.string, fmt.Sprintf("varfile_%d.sh", p.number))
		data["EnvVarFile"] = file
		bring += fmt.Sprintf(" &&\n\tprintf '%%s' %s >%s && chmod 0600 %s", quoted(env.exports()), quoted(file), quoted(file))
		clean += " " + quoted(file)
		if !s.ExecuteCommand.given() {
			command.string = "chmod +x {{.Path}}; . {{.EnvVarFile}} && {{.Path}}"
		}
	}
	rendered, err := t.scope.render(command, data)
	if err != nil {
		*t.problems = append(*t.problems, err)
		return
	}
	t.secrets.plain(t.problems, text{rendered, command.at}, "execute_command")
	t.secrets.plain(t.problems, s.InlineShebang, "a script")
	if s.SkipClean {
		clean = ""
	}
	w.attempt(bring, rendered, clean, p.retries, s.ValidExitCodes)
	l := slipway.RunLayer{
		Script: path.Join(contextRoot, name), Inputs: []string{source, sudoPath},
		Network: true, Timeout: slipway.Duration(p.timeout), Secrets: secrets,
	}
	t.context.add(source, 0o755, content)
	t.context.add(l.Script, 0o755, w.Bytes())
	t.context.add(sudoPath, 0o755, sudo)
	t.layer(slipway.Layer{Run: &l}, at)
}

// variable is one of a script's environment.
type variable struct{ name, value string }

type variables []variable

// variables returns the environment of a script in Packer's order: its own variables first, then the template's, by name.
func (t *translation) variables(s shellSettings) variables {
	set := map[string]string{}
	for _, v := range s.EnvironmentVars {
		name, value, ok := strings.Cut(v.string, "=")
		if !ok || name == "" {
			t.problems.add(v.at, "cannot use %q as a variable of the environment: want NAME=value", v.string)
			continue
		}
		set[name] = value
	}
	for name, v := range s.Env {
		set[name] = v.string
	}
	set["PACKER_BUILD_NAME"], set["PACKER_BUILDER_TYPE"] = t.Build.Name, t.Type
	var all variables
	for name, value := range set {
		all = append(all, variable{name, value})
	}
	slices.SortFunc(all, func(a, b variable) int { return strings.Compare(a.name, b.name) })
	return all
}

// flat returns the variables as words before a command, each as format has it.
func (v variables) flat(format text) string {
	var b strings.Builder
	for _, each := range v {
		inner := quoted(each.value)
		inner = inner[1 : len(inner)-1] // the format has the quotes
		b.WriteString(strings.Replace(strings.Replace(format.string, "%s", each.name, 1), "%s", inner, 1))
	}
	return b.String()
}

// exports returns the variables as lines of a file that a shell reads.
func (v variables) exports() string {
	var b strings.Builder
	for _, each := range v {
		b.WriteString("export " + each.name + "=" + quoted(each.value) + "\n")
	}
	return b.String()
}

func (v variables) values() []string {
	var all []string
	for _, each := range v {
		all = append(all, each.value)
	}
	return all
}

// fileName returns the last part of a path on the host, with nothing in it that a pattern, a shell or a URL would take for its own.
func fileName(name string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	if name == "." || name == ".." {
		return "_" // a place of its own, not that of what lies beside or above
	}
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '_':
			return c
		}
		return '_'
	}, name)
}
