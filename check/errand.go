package check

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/slipway-sh/slipway"
)

// Errand is a command that is run in a machine, with files of the build context in its working directory.
type Errand struct {
	Command []string          // the first word is a path among the files if it has a slash and is not absolute
	Inputs  []string          // globs of the build context; what is in a directory that matches comes along
	Env     map[string]string // on top of SLIPWAY_ADDRESS and SLIPWAY_PORT, the machine's
	User    string            // as Service.User; default root
}

// Errand runs an errand until it or ctx ends, writes what it prints to out, and returns its exit status.
func (r Runner) Errand(ctx context.Context, instance slipway.Instance, e Errand, out io.Writer) (int, error) {
	files, err := r.matching(e.Inputs)
	if err != nil {
		return 0, err
	}
	command := append([]string(nil), e.Command...)
	if strings.Contains(command[0], "/") && !path.IsAbs(command[0]) {
		command[0] = "./" + path.Clean(command[0])
	}
	env := map[string]string{"SLIPWAY_ADDRESS": instance.Address}
	if instance.Port != 0 {
		env["SLIPWAY_PORT"] = fmt.Sprint(instance.Port)
	}
	maps.Copy(env, e.Env)
	user := e.User
	if user == "" {
		user = root
	}
	archive := r.pack(ctx, files)
	defer archive.Close()
	result, err := r.Provider.Exec(ctx, instance.ID, slipway.Exec{Command: command, User: user, Env: env, Files: archive, Stdout: out, Stderr: out})
	if err == nil {
		err = archive.fault()
	}
	if err != nil {
		return 0, reason(ctx, err)
	}
	return result.ExitCode, nil
}

// matching returns what of the build context the globs mean, with all that lies below, and the directories above.
func (r Runner) matching(globs []string) ([]slipway.ContextEntry, error) {
	keep := map[string]bool{}
	for _, glob := range globs {
		found := false
		for _, e := range r.Context {
			if !doublestar.MatchUnvalidated(glob, e.Path) {
				continue
			}
			found = true
			keep[e.Path] = true
			if e.Dir {
				for _, inner := range r.Context {
					if strings.HasPrefix(inner.Path, e.Path+"/") {
						keep[inner.Path] = true
					}
				}
			}
			for dir := path.Dir(e.Path); dir != "."; dir = path.Dir(dir) {
				keep[dir] = true
			}
		}
		if !found {
			return nil, slipway.Errorf(slipway.Invalid, "cannot find anything that matches %q in the build context", glob)
		}
	}
	var entries []slipway.ContextEntry
	for _, e := range r.Context { // a directory comes before what is in it, as the context is sorted
		if keep[e.Path] {
			entries = append(entries, e)
		}
	}
	return entries, nil
}
