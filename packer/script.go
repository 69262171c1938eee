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

// attempt runs command after the function bring, and again for as many retries until its exit status is one of valid, 0 if there are
// none. It removes the files clean, quoted, after each.
func (s *script) attempt(command, clean string, retries int, valid []int) {
	accepted := "0"
	if len(valid) > 0 {
		var all []string
		for _, status := range valid {
			all = append(all, strconv.Itoa(status))
		}
		accepted = strings.Join(all, " | ")
	}
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
