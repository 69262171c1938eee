package cli

import (
	"bytes"
	"cmp"
	"context"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/ci"
)

// gitTime bounds how long git may think about a large working tree.
const gitTime = 2 * time.Second

// sourceOf says where the files in dir come from, as far as that can be told: CI's own variables know the branch and the build, git
// knows the rest. It never fails; what is not known is empty.
func sourceOf(ctx context.Context, env func(string) string, dir string) *slipway.Source {
	ctx, cancel := context.WithTimeout(ctx, gitTime)
	defer cancel()
	git := func(args ...string) string {
		c := exec.CommandContext(ctx, "git", append([]string{"-C", dir, "--no-optional-locks"}, args...)...)
		out, err := c.Output()
		if err != nil {
			return ""
		}
		return string(bytes.TrimRight(out, "\n"))
	}
	var head, branch, remote, changes string
	var asking errgroup.Group
	for result, args := range map[*string][]string{
		&head:    {"log", "-1", "--format=%H%x00%an <%ae>"},
		&branch:  {"rev-parse", "--abbrev-ref", "HEAD"},
		&remote:  {"remote", "get-url", "origin"},
		&changes: {"status", "--porcelain", "--untracked-files=no"},
	} {
		asking.Go(func() error { *result = git(args...); return nil })
	}
	_ = asking.Wait() // none fails

	s := ciSource(env)
	commit, author, _ := strings.Cut(head, "\x00")
	if branch == "HEAD" { // no branch is checked out, as CI does
		branch = ""
	}
	s.Commit, s.Author = cmp.Or(commit, s.Commit), cmp.Or(author, s.Author)
	s.Branch, s.Repository = cmp.Or(s.Branch, branch), slipway.WithoutCredentials(cmp.Or(s.Repository, remote))
	s.Dirty = changes != ""
	if s == (slipway.Source{}) {
		return nil
	}
	return &s
}

// ciSource is what CI says of a build.
func ciSource(env func(string) string) slipway.Source {
	b, _ := ci.Detect(env)
	return b.Source
}

// versionOfCI is the label that CI's build gives what it builds, "" if this is no build of CI's.
func versionOfCI(env func(string) string) string {
	b, _ := ci.Detect(env)
	return b.Version
}
