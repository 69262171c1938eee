package packer

import (
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/slipway-sh/slipway"
)

// dockerfile is what the changes of a docker builder, each an instruction of a Dockerfile, come to.
type dockerfile struct {
	entrypoint, command []string
	shell               bool // the entrypoint is a shell's command, which ignores the command
	env                 map[string]string
	user, directory     string
	port                int
	metadata            string // the last instruction that only describes an image
}

// apply takes one instruction, and returns what is wrong with it.
func (d *dockerfile) apply(change string) string {
	word, rest, _ := strings.Cut(strings.TrimSpace(change), " ")
	rest = strings.TrimSpace(rest)
	if rest == "" {
		return fmt.Sprintf("cannot use %q as a change: want an instruction of a Dockerfile and its argument", change)
	}
	switch word = strings.ToUpper(word); word {
	case "ENTRYPOINT":
		d.entrypoint, d.shell = words(rest)
	case "CMD":
		d.command, _ = words(rest)
	case "ENV":
		return d.environment(rest)
	case "USER":
		d.user = rest
	case "WORKDIR":
		d.directory = path.Join("/", d.directory, rest)
		if path.IsAbs(rest) {
			d.directory = path.Clean(rest)
		}
	case "EXPOSE":
		return d.expose(rest)
	case "LABEL", "MAINTAINER":
		d.metadata = word
	case "VOLUME", "ONBUILD", "STOPSIGNAL", "HEALTHCHECK", "SHELL":
		return fmt.Sprintf("cannot use the change %s: it has no equal; write the service in slipway.yaml beside the template", word)
	default:
		return fmt.Sprintf("cannot use the change %q: want one of CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER, WORKDIR", word)
	}
	return ""
}

// words returns a command in either of its forms: ["a", "b"], or text for a shell.
func words(text string) (command []string, shell bool) {
	if strings.HasPrefix(text, "[") && json.Unmarshal([]byte(text), &command) == nil {
		return command, false
	}
	return []string{"/bin/sh", "-c", text}, true
}

// environment takes NAME=value …, with values that may be in quotes, and the older NAME value.
func (d *dockerfile) environment(text string) string {
	if d.env == nil {
		d.env = map[string]string{}
	}
	name, value, ok := strings.Cut(text, " ")
	if !strings.Contains(name, "=") {
		if !ok {
			return fmt.Sprintf("cannot use ENV %s: want NAME=value", text)
		}
		d.env[name], _, ok = unquote(strings.TrimSpace(value), "")
		if !ok {
			return fmt.Sprintf("cannot use ENV %s: its quotes do not close", text)
		}
		return ""
	}
	for rest := text; rest != ""; {
		name, after, ok := strings.Cut(rest, "=")
		if !ok || strings.ContainsAny(name, " \"'") {
			return fmt.Sprintf("cannot use ENV %s: want NAME=value, with values that have spaces in quotes", text)
		}
		value, left, ok := unquote(after, " ")
		if !ok {
			return fmt.Sprintf("cannot use ENV %s: its quotes do not close", text)
		}
		d.env[name], rest = value, left
	}
	return ""
}

// unquote takes one word of a Dockerfile off text, which ends where one of the letters of end stands outside of quotes.
func unquote(text, end string) (word, rest string, ok bool) {
	var b strings.Builder
	var quote byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && quote != '\'' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && strings.IndexByte(end, c) >= 0:
			return b.String(), strings.TrimSpace(text[i:]), true
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), "", quote == 0
}

func (d *dockerfile) expose(text string) string {
	number, protocol, _ := strings.Cut(text, "/")
	port, err := strconv.Atoi(number)
	switch {
	case protocol == "udp" || strings.ContainsAny(text, " -") || err != nil:
		return fmt.Sprintf("cannot use EXPOSE %s: want one TCP port; write the service in slipway.yaml beside the template", text)
	case d.port != 0 && d.port != port:
		return fmt.Sprintf("cannot use EXPOSE %s: a service has one port, and EXPOSE %d is there already; "+
			"leave out the ones that no health check or load balancer asks", text, d.port)
	}
	d.port = port
	return ""
}

// idle reports whether there is something of a service, and nothing that it runs.
func (d *dockerfile) idle() bool {
	return len(d.entrypoint)+len(d.command) == 0 && (len(d.env) > 0 || d.user != "" || d.directory != "" || d.port != 0)
}

// service returns what a machine of the image runs: nothing if no instruction says so.
func (d *dockerfile) service() slipway.Service {
	command := d.entrypoint
	if !d.shell {
		command = append(command, d.command...)
	}
	if len(command) == 0 {
		return slipway.Service{}
	}
	return slipway.Service{Command: command, User: d.user, Env: d.env, Directory: d.directory, Port: d.port}
}
