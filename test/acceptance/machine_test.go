package acceptance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/slipway-sh/slipway/test/load"
)

// told prints what a machine's service has been told, as the service sees it: its environment, and its files with mode and owner: told i-abc
func told(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: told instance")
	}
	told, err := current(ts).Told(context.Background(), args[0])
	ts.Check(err)
	for _, line := range told.Env {
		fmt.Fprintln(ts.Stdout(), "env", line)
	}
	for _, line := range told.Files {
		fmt.Fprintln(ts.Stdout(), "file", line)
	}
}

// writeRoot writes to a file of a machine's root behind slipwayd's back: write i-abc /etc/motd
func writeRoot(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: write instance path")
	}
	ts.Check(current(ts).Write(context.Background(), args[0], args[1], "written\n"))
}

// traffic sends requests, and sees that each is answered well: traffic start URL | more 100 (wait for so many more answers) | stop
func traffic(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value(daemonKey{}).(*script)
	switch {
	case neg || len(args) == 0:
		ts.Fatalf("usage: traffic start url | more number | stop")
	case args[0] == "start" && len(args) == 2:
		s.load = load.Start(context.Background(), load.Options{URL: args[1], Rate: 200})
		ts.Defer(func() { s.load.Stop() })
	case args[0] == "more" && len(args) == 2:
		var n int64
		_, err := fmt.Sscan(args[1], &n)
		ts.Check(err)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		ts.Check(s.load.Await(ctx, n))
	case args[0] == "stop":
		counts := s.load.Stop()
		ts.Logf("%d requests, %d failed", counts.Sent, counts.Failed)
		if counts.Failed > 0 || counts.Sent == 0 {
			ts.Fatalf("of %d requests %d failed: %v", counts.Sent, counts.Failed, s.load.Failures())
		}
	default:
		ts.Fatalf("unknown: traffic %s", strings.Join(args, " "))
	}
}

// nowhere looks for a text in all files below a directory, and in slipwayd's log, and must not find it: nowhere $DATA text
func nowhere(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: nowhere directory text")
	}
	files := 0
	look := func(path string) error {
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && bytes.Contains(b, []byte(args[1])) {
			ts.Fatalf("%s has it", path)
		}
		files++
		return err
	}
	ts.Check(look(current(ts).LogPath()))
	ts.Check(filepath.WalkDir(args[0], func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		return look(path)
	}))
	if files < 10 {
		ts.Fatalf("looked into %d files only", files)
	}
}
