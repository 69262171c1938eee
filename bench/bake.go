package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/test/daemon"
)

// artifactSize is the size of the application that is baked and shipped.
const artifactSize = 20 << 20

// app is an application that is one big program on a Debian base; its program is another one every time.
type app struct {
	b        *bench
	dir      string
	manifest string
	port     int
	builds   int
}

// newApp makes the application. Its image has one layer on the base, and with tests is true, one test.
func (b *bench) newApp(name string, tested bool) (*app, error) {
	port, err := daemon.FreePort()
	if err != nil {
		return nil, err
	}
	a := &app{b: b, dir: filepath.Join(b.dir, name), port: port}
	spec := slipway.Spec{
		Application: name,
		Image: slipway.ImageSpec{
			From:   "debian:bookworm",
			Layers: []slipway.Layer{{Copy: &slipway.CopyLayer{From: "dist/app", To: "/opt/app/app", Mode: "0755"}}},
			Service: slipway.Service{
				Command: []string{"/opt/app/app"}, User: "1000:1000", Port: 8080,
				Health: slipway.Health{HTTP: "/healthz"}, Drain: slipway.Duration(5 * time.Second),
			},
		},
		Environments: map[string]slipway.Environment{
			"prod": {
				Size:         slipway.Size{Min: 3, Desired: 3, Max: 3},
				LoadBalancer: &slipway.LoadBalancerSpec{Port: port},
				Strategy:     slipway.Strategy{RedBlack: &slipway.RedBlack{Watch: slipway.Duration(500 * time.Millisecond)}},
				Checks:       []slipway.Check{{HTTP: &slipway.HTTPTest{Path: "/"}}},
			},
		},
	}
	if tested {
		spec.Image.Tests = []slipway.Test{{HTTP: &slipway.HTTPTest{Path: "/"}}}
	}
	a.manifest, err = daemon.WriteContext(a.dir, spec, nil)
	if err != nil {
		return nil, err
	}
	return a, a.change()
}

// artifact is the path of the program.
func (a *app) artifact() string { return filepath.Join(a.dir, "dist/app") }

// change makes the program another one: hello, followed by what no program has ended with before.
func (a *app) change() error {
	program, err := os.ReadFile(a.b.programs.Hello("v1"))
	if err != nil {
		return err
	}
	tail := make([]byte, artifactSize-len(program))
	if _, err := rand.Read(tail); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(a.artifact()), 0o755); err != nil {
		return err
	}
	a.builds++
	return os.WriteFile(a.artifact(), append(program, tail...), 0o755)
}

func (a *app) version() string { return "build-" + strconv.Itoa(a.builds) }

// measureBake measures a bake of a changed program on a cached base, by the command line from its start to its end.
func (b *bench) measureBake(ctx context.Context) error {
	d, err := b.slipwayd(ctx)
	if err != nil {
		return err
	}
	a, err := b.newApp("bakeapp", false)
	if err != nil {
		return err
	}
	buildah, err := newBuildah(ctx, filepath.Join(b.dir, "buildah"))
	if err != nil {
		return err
	}
	packer, err := newPacker(filepath.Join(b.dir, "packer"))
	if err != nil {
		return err
	}
	var bakes, cached, copies, others, packers []time.Duration
	for i := range b.runs + 1 { // the first, which fills the caches, does not count
		if err := a.change(); err != nil {
			return err
		}
		baked, err := d.Slipway(ctx, "bake", "--file", a.manifest, "--version", a.version())
		if err == nil {
			err = baked.Wanted(0)
		}
		if err != nil {
			return err
		}
		again, err := d.Slipway(ctx, "bake", "--file", a.manifest, "--version", a.version())
		if err == nil {
			err = again.Wanted(0)
		}
		if err != nil {
			return err
		}
		copied, err := timed(exec.CommandContext(ctx, "sh", "-c", `sha256sum "$0" >/dev/null && cp "$0" "$0.copy"`, a.artifact()))
		if err != nil {
			return err
		}
		other, err := buildah.build(ctx, a.artifact())
		if err != nil {
			return err
		}
		packed, err := packer.build(ctx, a.artifact())
		if err != nil {
			return err
		}
		if i > 0 {
			bakes, cached = append(bakes, baked.Took), append(cached, again.Took)
			copies, others, packers = append(copies, copied), append(others, other), append(packers, packed)
		}
	}
	b.millis("bake with everything cached", cached, "", nil, "median", 60)
	b.millis("bake of a 20 MB change, to a copy", bakes, "sha256sum + cp of the artifact", copies, "ratio", 3)
	b.millis("bake of a 20 MB change, to buildah", bakes, "buildah bud of the same change", others, "ratio", 0.5)
	b.millis("bake of a 20 MB change, to packer's floor", bakes, "packer build that only hashes and copies it", packers, "ratio", 2)
	return nil
}

// buildah is Debian's buildah with the same base.
type buildah struct {
	dir  string
	args []string
}

func newBuildah(ctx context.Context, dir string) (*buildah, error) {
	if _, err := exec.LookPath("buildah"); err != nil {
		return nil, fmt.Errorf("needs buildah: run `make bench`, which installs it, or apt-get install buildah")
	}
	u := &buildah{dir: dir, args: []string{"--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--storage-driver", "overlay"}}
	if err := os.MkdirAll(filepath.Join(dir, "context"), 0o755); err != nil {
		return nil, err
	}
	tar := filepath.Join(dir, "base.tar")
	if _, err := timed(exec.CommandContext(ctx, "mmdebstrap", "--quiet", "--variant=minbase", "bookworm", tar)); err != nil {
		return nil, err
	}
	const makeBase = `set -e; tar=$0; c=$("$@" from scratch); "$@" add -q "$c" "$tar" / >/dev/null; "$@" commit -q "$c" base; "$@" rm "$c"`
	if _, err := timed(exec.CommandContext(ctx, "sh", append([]string{"-c", makeBase, tar, "buildah"}, u.args...)...)); err != nil {
		return nil, err
	}
	containerfile := "FROM localhost/base\nCOPY app /opt/app/app\nCMD [\"/opt/app/app\"]\n"
	return u, os.WriteFile(filepath.Join(dir, "Containerfile"), []byte(containerfile), 0o644)
}

// build builds an image with the program on the base, and returns how long that took.
func (u *buildah) build(ctx context.Context, program string) (time.Duration, error) {
	context := filepath.Join(u.dir, "context")
	if _, err := timed(exec.CommandContext(ctx, "cp", program, filepath.Join(context, "app"))); err != nil {
		return 0, err
	}
	args := append([]string{}, u.args...)
	return timed(exec.CommandContext(ctx, "buildah", append(args, "bud", "--quiet", "--pull-never", "--isolation", "chroot",
		"--tag", "app", "--file", filepath.Join(u.dir, "Containerfile"), context)...))
}
