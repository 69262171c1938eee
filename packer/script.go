package packer

import (
	"bytes"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// script is a shell script being written: what runs in the sandbox in place of Packer's connection to a machine.
type script struct{ bytes.Buffer }

func (s *script) line(format string, args ...any) { fmt.Fprintf(s, format+"\n", args...) }

func (s *script) begin(home string) {
	s.line("#!/bin/sh")
	s.line("# Made from a provisioner of a Packer template.")
	s.line(`PATH="$PATH:%s"`, path.Dir(visible+"/"+sudoPath))
	s.line("export PATH")
	s.line("cd %s || exit 1", home)
}

// need ends the script if it is not shown one of the secrets: without it the command would run with nothing in its place.
func (s *script) need(secrets []string) {
	for _, name := range secrets {
		s.line("[ -r /run/secrets/%s ] || { echo \"there is no secret %s\"; exit 1; }", name, name)
	}
}

// attempt runs the shell command after bring, which puts there what that needs, and both again for as many retries until the exit
// status is one of valid, 0 if there are none. It removes the files clean, quoted, each time.
func (s *script) attempt(bring, command, clean string, retries int, valid []int) {
	accepted := "0"
	if len(valid) > 0 {
		var all []string
		for _, status := range valid {
			all = append(all, strconv.Itoa(status))
		}
		accepted = strings.Join(all, " | ")
	}
	s.line("bring() {\n\t%s\n}", bring)
	s.line("left=%d", retries)
	s.line("while :; do")
	s.line("\tbring || exit 1")
	s.line("\tstatus=0")
	s.line("\t/bin/sh -c %s || status=$?", quoted(command))
	if clean != "" {
		s.line("\trm -f %s", clean)
	}
	s.line("\tcase $status in %s) exit 0 ;; esac", accepted)
	s.line("\t[ $left -gt 0 ] || break")
	s.line("\tleft=$((left - 1))")
	s.line("\techo \"exit status $status: trying again\"")
	s.line("done")
	if len(valid) > 0 {
		s.line("echo \"exit status $status is none of %s\"", strings.Join(strings.Split(accepted, " | "), ", "))
	}
	s.line("[ $status -ne 0 ] || status=1")
	s.line("exit $status")
}
