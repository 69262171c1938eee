package providertest

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/slipway-sh/slipway"
)

func (s suite) testExec() {
	spec := s.machine("t-one")
	_, err := s.Launch(s.t.Context(), spec)
	s.must(err)
	program := s.Service.Command[0]
	s.instance(spec.ID, slipway.InstanceHealthy)
	for _, c := range []struct {
		command []string
		exit    int
		output  string
	}{
		{command: []string{program, "-say", "hello"}, output: "hello\n"},
		{command: []string{program, "-exit", "3"}, exit: 3},
		{command: []string{program, "-say", "hello", "-repeat", "20000"}, output: strings.Repeat("hello\n", 11000)[:64<<10-4]},
		{command: []string{"/no/such/program"}, exit: 127, output: "/no/such/program"},
	} {
		result, err := s.Exec(s.t.Context(), spec.ID, slipway.Exec{Command: c.command})
		s.must(err)
		if result.ExitCode != c.exit || !strings.Contains(result.Output, c.output) || len(result.Output) > 64<<10 {
			s.t.Errorf("%v: exit status %d, output %.100q; want %d, %.100q", c.command, result.ExitCode, result.Output, c.exit, c.output)
		}
	}
	s.must(s.Terminate(s.t.Context(), spec.ID))
	if _, err := s.Exec(s.t.Context(), spec.ID, slipway.Exec{Command: []string{program}}); slipway.CodeOf(err) != slipway.NotFound {
		s.t.Errorf("machine that is gone: %v, want NotFound", err)
	}
}

func (s suite) testProcesses() {
	spec := s.machine("t-one")
	_, err := s.Launch(s.t.Context(), spec)
	s.must(err)
	program := s.Service.Command[0]
	s.instance(spec.ID, slipway.InstanceHealthy)
	whoami, err := s.Exec(s.t.Context(), spec.ID, slipway.Exec{Command: []string{program, "-whoami"}})
	if s.must(err); strings.TrimSpace(whoami.Output) != s.Service.User {
		s.t.Errorf("commands run as %q, want %s", whoami.Output, s.Service.User)
	}
	s.execAs(spec.ID, program)
	s.execWithFiles(spec.ID, program)
	s.execLeavesNothing(spec.ID, program)
	s.execAtTerminal(spec.ID, program)
	ctx, cancel := context.WithTimeout(s.t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := s.Exec(ctx, spec.ID, slipway.Exec{Command: []string{program, "-hang"}}); !errors.Is(err, context.DeadlineExceeded) {
		s.t.Errorf("a command that hangs: %v, want the context's error", err)
	}
	// A program in a machine that ends meanwhile has not ended by itself.
	ended := make(chan error, 1)
	go func() {
		_, err := s.Exec(s.t.Context(), spec.ID, slipway.Exec{Command: []string{program, "-hang"}})
		ended <- err
	}()
	s.until("the program to run", func() bool {
		n, err := s.Exec(s.t.Context(), spec.ID, slipway.Exec{Command: []string{program, "-count", "-hang"}})
		return err == nil && n.Output == "1\n"
	})
	s.must(s.Terminate(s.t.Context(), spec.ID))
	if err := <-ended; slipway.CodeOf(err) != slipway.Conflict {
		s.t.Errorf("machine that ends meanwhile: %v, want Conflict", err)
	}
}

// execAs runs programs as others, elsewhere, with an environment and an input of their own.
func (s suite) execAs(id, program string) {
	var out, problems bytes.Buffer
	for _, c := range []struct {
		name   string
		exec   slipway.Exec
		output string
	}{
		{"user", slipway.Exec{Command: []string{program, "-whoami"}, User: "0"}, "0:0\n"},
		{"user and group", slipway.Exec{Command: []string{program, "-whoami"}, User: "12:34"}, "12:34\n"},
		{"environment", slipway.Exec{Command: []string{program, "-env", "COLOUR"}, Env: map[string]string{"COLOUR": "red"}}, "red\n"},
		{"environment of the service", slipway.Exec{Command: []string{program, "-env", "SLIPWAY_INSTANCE"}, Env: map[string]string{"COLOUR": "red"}}, id + "\n"},
		{"directory", slipway.Exec{Command: []string{program, "-show", "self/comm"}, Directory: "/proc"}, "service\n"},
		{"input", slipway.Exec{Command: []string{program, "-show", "-"}, Stdin: strings.NewReader("typed\n")}, "typed\n"},
		{"no input", slipway.Exec{Command: []string{program, "-show", "-"}}, ""},
		{"output", slipway.Exec{Command: []string{program, "-say", "hello"}, Stdout: &out}, ""},
		{"error output", slipway.Exec{Command: []string{"/no/such/program"}, Stderr: &problems}, ""},
	} {
		result, err := s.Exec(s.t.Context(), id, c.exec)
		if s.must(err); result.Output != c.output {
			s.t.Errorf("%s: %q, want %q", c.name, result.Output, c.output)
		}
	}
	if out.String() != "hello\n" || !strings.Contains(problems.String(), "/no/such/program") {
		s.t.Errorf("streams: %q and %q", out.String(), problems.String())
	}
	// An input that never ends does not keep a program that has.
	in, typing := io.Pipe()
	defer typing.Close()
	if _, err := s.Exec(s.t.Context(), id, slipway.Exec{Command: []string{program, "-say", "done"}, Stdin: in}); err != nil {
		s.t.Error(err)
	}
}

// execWithFiles runs programs in directories of their own files.
func (s suite) execWithFiles(id, program string) {
	files := func(entries ...tar.Header) io.Reader {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range entries {
			text := "in " + h.Name + "\n"
			if h.Typeflag == tar.TypeReg {
				h.Size = int64(len(text))
			}
			s.must(w.WriteHeader(&h))
			if h.Typeflag == tar.TypeReg {
				_, err := io.WriteString(w, text)
				s.must(err)
			}
		}
		s.must(w.Close())
		return &b
	}
	regular := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600} }
	for _, c := range []struct {
		name   string
		files  io.Reader
		show   string
		exit   int
		output string
	}{
		{"file", files(regular("a")), "a", 0, "in a\n"},
		{"deep", files(tar.Header{Name: "d", Typeflag: tar.TypeDir, Mode: 0o500}, regular("d/a")), "d/a", 0, "in d/a\n"},
		{"link", files(regular("a"), tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "a"}), "l", 0, "in a\n"},
		{"elsewhere", files(regular("../a")), "../a", 127, "escapes"},
		{"through a link", files(tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/etc"}, regular("l/a")), "/etc/a", 127, "escapes"},
		{"device", files(tar.Header{Name: "d", Typeflag: tar.TypeChar}), "d", 127, "no file, directory or link"},
		{"no tar", strings.NewReader(strings.Repeat("no tar ", 1000)), "a", 127, "tar"},
		{"the file of another run", files(regular("b")), "a", 1, "no such file"},
	} {
		result, err := s.Exec(s.t.Context(), id, slipway.Exec{Command: []string{program, "-show", c.show}, Files: c.files})
		if s.must(err); result.ExitCode != c.exit || !strings.Contains(result.Output, c.output) {
			s.t.Errorf("%s: exit status %d, %q; want %d, %q", c.name, result.ExitCode, result.Output, c.exit, c.output)
		}
	}
}

// execLeavesNothing runs programs that start others which do not end.
func (s suite) execLeavesNothing(id, program string) {
	for _, c := range []struct {
		flag string
		ends bool
	}{{"-daemon", true}, {"-hang", false}, {"-bomb", false}} {
		ctx, cancel := context.WithTimeout(s.t.Context(), 500*time.Millisecond)
		result, err := s.Exec(ctx, id, slipway.Exec{Command: []string{program, c.flag}, User: "0"})
		cancel()
		if c.ends && (err != nil || result.ExitCode != 0) || !c.ends && !errors.Is(err, context.DeadlineExceeded) {
			s.t.Errorf("%s: %+v, %v", c.flag, result, err)
		}
		left, err := s.Exec(s.t.Context(), id, slipway.Exec{Command: []string{program, "-count", "-hang"}})
		if s.must(err); left.Output != "0\n" {
			s.t.Errorf("%s leaves processes: %s", c.flag, left.Output)
		}
	}
}

// execAtTerminal runs a program that wants a terminal.
func (s suite) execAtTerminal(id, program string) {
	in, typing := io.Pipe()
	defer typing.Close()
	screen := &screen{typing: typing, answers: []string{"said hello", "exit 3\r"}}
	result, err := s.Exec(s.t.Context(), id, slipway.Exec{
		Command: []string{program, "-window"}, Stdin: in, Stdout: screen,
		Terminal: &slipway.Terminal{Type: "vt100", Window: slipway.Window{Columns: 90, Rows: 30}},
	})
	if s.must(err); result.ExitCode != 3 || !strings.Contains(screen.shown.String(), "90x30 vt100") {
		s.t.Errorf("exit status %d, the terminal shows %q; want 3 and its size", result.ExitCode, screen.shown.String())
	}
}

// screen types a line once the terminal shows its size, and then answers what is shown.
type screen struct {
	typing  io.Writer
	answers []string // what is waited for, and what is typed then

	once  sync.Once
	shown strings.Builder
}

func (s *screen) Write(b []byte) (int, error) {
	s.shown.Write(b)
	s.once.Do(func() { go io.WriteString(s.typing, "hello\r") })
	if len(s.answers) > 0 && strings.Contains(s.shown.String(), s.answers[0]) {
		go io.WriteString(s.typing, s.answers[1])
		s.answers = nil
	}
	return len(b), nil
}
