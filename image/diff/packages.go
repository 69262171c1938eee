package diff

import (
	"context"
	"slices"
	"strings"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/dpkg"
)

// installed are the packages of a machine, by name and architecture.
type installed map[[2]string]string

// dpkg says where dpkg keeps its records. A file of the directory is what a minimal image has of one package.
const (
	dpkgStatus  = "/var/lib/dpkg/status"
	dpkgStatusD = "/var/lib/dpkg/status.d/"
	maxStatus   = 64 << 20
)

// packages compares what dpkg's records say, where these differ.
func packages(ctx context.Context, found []difference) ([]slipway.PackageDiff, error) {
	before, after := installed{}, installed{}
	for _, f := range found {
		if f.Path != dpkgStatus && !strings.HasPrefix(f.Path, dpkgStatusD) {
			continue
		}
		if err := before.read(ctx, f.old); err != nil {
			return nil, err
		}
		if err := after.read(ctx, f.new); err != nil {
			return nil, err
		}
	}
	all := []slipway.PackageDiff{}
	for key, version := range before {
		d := slipway.PackageDiff{Kind: slipway.DiffChanged, Name: key[0], Architecture: key[1], Old: version, New: after[key]}
		switch d.New {
		case "":
			d.Kind = slipway.DiffRemoved
		case d.Old:
			continue
		}
		all = append(all, d)
	}
	for key, version := range after {
		if _, ok := before[key]; !ok {
			all = append(all, slipway.PackageDiff{Kind: slipway.DiffAdded, Name: key[0], Architecture: key[1], New: version})
		}
	}
	slices.SortFunc(all, func(a, b slipway.PackageDiff) int {
		return strings.Compare(a.Name+" "+a.Architecture, b.Name+" "+b.Architecture)
	})
	return all, nil
}

// read adds the packages that a file of dpkg's lists as installed.
func (i installed) read(ctx context.Context, e *entry) error {
	if e == nil || !e.read.isFile() {
		return nil
	}
	text, err := e.text(ctx, maxStatus)
	if err != nil {
		return err
	}
	for p := range dpkg.Paragraphs(text) {
		if p.Installed() {
			i[[2]string{p["Package"], p["Architecture"]}] = p["Version"]
		}
	}
	return nil
}
