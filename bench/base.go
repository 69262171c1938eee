package main

import (
	"archive/tar"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
	"github.com/slipway-sh/slipway/test/daemon"
)

// What a base of the size of a Debian system with a language's runtime has.
const (
	baseFiles = 14_000
	baseSize  = 400 << 20
	basePer   = 50 // files a directory
)

// writeBase makes a tree of many files, most of them small, as real ones are. Another seed makes one in fifty of them others.
func writeBase(dir string, seed uint64) error {
	sizes := rand.New(rand.NewPCG(1, 1))
	var weights [baseFiles]float64
	total := 0.0
	for i := range weights {
		weights[i] = sizes.ExpFloat64() * sizes.ExpFloat64()
		total += weights[i]
	}
	for i, w := range weights {
		name := filepath.Join(dir, "usr", "d"+strconv.Itoa(i/basePer/20), "d"+strconv.Itoa(i/basePer), "file"+strconv.Itoa(i))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		source := rand.NewChaCha8([32]byte{byte(i), byte(i >> 8)})
		if i%50 == 0 {
			source = rand.NewChaCha8([32]byte{byte(i), byte(i >> 8), byte(seed)})
		}
		content := make([]byte, int(w/total*baseSize))
		if _, err := source.Read(content); err != nil {
			return err
		}
		if err := os.WriteFile(name, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// measureBase measures how fast a large base becomes a layer, and how fast two images are compared whose bases are two layers with
// little that differs.
func (b *bench) measureBase(ctx context.Context) error {
	if _, err := exec.LookPath("mkfs.erofs"); err != nil {
		return fmt.Errorf("needs mkfs.erofs: run `make bench`, which installs it, or apt-get install erofs-utils")
	}
	tree := filepath.Join(b.dir, "base")
	if err := writeBase(tree, 1); err != nil {
		return err
	}
	if err := b.measureLayer(ctx, tree); err != nil {
		return err
	}
	return b.measureDiff(ctx, tree)
}

func (b *bench) measureLayer(ctx context.Context, tree string) error {
	var layers, references []time.Duration
	for i := range b.runs + 1 {
		dir := filepath.Join(b.dir, "layers")
		store, err := image.Open(dir)
		if err != nil {
			return err
		}
		began := time.Now()
		if _, _, err = store.WriteLayer(ctx, nil, func(l *image.Layer) error { return l.AddTree(ctx, tree, image.Options{}) }); err != nil {
			return err
		}
		layer := time.Since(began)
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		out := filepath.Join(b.dir, "mkfs.erofs.img")
		// What a layer is worth that is not on the disk yet: the reference is synced too, as a layer is.
		mkfs, err := timed(exec.CommandContext(ctx, "sh", "-c", `mkfs.erofs --quiet -T0 "$0" "$1" && sync "$0"`, out, tree))
		if err != nil {
			return err
		}
		if err := os.Remove(out); err != nil {
			return err
		}
		if i > 0 {
			layers, references = append(layers, layer), append(references, mkfs)
		}
	}
	b.millis("400 MB base of 14,000 files to a layer", layers, "mkfs.erofs, uncompressed, synced", references, "ratio", 2)
	return nil
}

func (b *bench) measureDiff(ctx context.Context, tree string) error {
	d, err := b.slipwayd(ctx)
	if err != nil {
		return err
	}
	dir := filepath.Join(b.dir, "diff")
	spec := slipway.Spec{Application: "bigbase", Image: slipway.ImageSpec{From: "rootfs:base.tar"}}
	file, err := daemon.WriteContext(dir, spec, nil)
	if err != nil {
		return err
	}
	for i, version := range []string{"one", "two"} {
		if i > 0 {
			if err := writeBase(tree, 2); err != nil {
				return err
			}
		}
		if err := writeTar(filepath.Join(dir, "base.tar"), tree); err != nil {
			return err
		}
		baked, err := d.Slipway(ctx, "bake", "--file", file, "--version", version)
		if err == nil {
			err = baked.Wanted(0)
		}
		if err != nil {
			return err
		}
	}
	var diffs []time.Duration
	for range b.runs {
		diff, err := d.Slipway(ctx, "image", "diff", "bigbase@one", "bigbase@two", "--json")
		if err == nil {
			err = diff.Wanted(0)
		}
		if err != nil {
			return err
		}
		diffs = append(diffs, diff.Took)
	}
	b.millis("diff of two images with 400 MB bases", diffs, "", nil, "median", 1000)
	return nil
}

func writeTar(name, tree string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	w := tar.NewWriter(f)
	if err := w.AddFS(os.DirFS(tree)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Close()
}
