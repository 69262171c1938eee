package packer

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipway-sh/slipway"
)

// hashes are the checksums that Packer knows.
var hashes = map[string]func() hash.Hash{
	"md5": md5.New, "sha1": sha1.New, "sha224": sha256.New224, "sha256": sha256.New, "sha384": sha512.New384, "sha512": sha512.New,
}

// checksum writes a file of checksums for each kind of them, and adds to it with every run.
type checksum struct {
	kinds   []text
	outputs []text // a file for each kind
	dir     string
}

func (t *translation) checksum(c component) postProcessor {
	s := struct {
		Types  []text `packer:"checksum_types"`
		Output text   `packer:"output,raw"`
	}{Output: text{"packer_{{.BuildName}}_{{.BuilderType}}_{{.ChecksumType}}.checksum", c.at}}
	t.into(c, &s, manual{})
	if len(s.Types) == 0 {
		s.Types = []text{{"md5", c.at}}
		if t.Build.File == nil {
			s.Types[0].string = "sha256"
		}
	}
	sum := &checksum{dir: t.Dir}
	for _, kind := range s.Types {
		if hashes[kind.string] == nil {
			t.problems.add(kind.at, "cannot make a checksum of the type %q: want md5, sha1, sha224, sha256, sha384 or sha512", kind.string)
			continue
		}
		if t.Build.File == nil && kind.string != "sha256" {
			t.problems.add(kind.at, "cannot make the %s of an image: it is no file; its digest is a SHA-256, which the type sha256 writes", kind.string)
			continue
		}
		name, err := t.scope.render(s.Output, map[string]string{"BuildName": t.Build.Name, "BuilderType": t.Type, "ChecksumType": kind.string})
		if err != nil {
			*t.problems = append(*t.problems, err)
			continue
		}
		output := text{name, s.Output.at}
		t.secrets.plain(t.problems, output, "the name of a file")
		sum.kinds, sum.outputs = append(sum.kinds, kind), append(sum.outputs, output)
	}
	return sum
}

// process makes a new artifact, as Packer's does: the files of the old one, and those of checksums that were not there before.
func (c *checksum) process(_ Run, a artifact) (artifact, error) {
	made := artifact{files: append([]string(nil), a.files...)}
	for i, kind := range c.kinds {
		output := c.outputs[i]
		lines, err := c.lines(kind.string, a)
		if err != nil {
			return made, slipway.Errorf(slipway.Invalid, "cannot make the %s: %w", kind.string, err).At(kind.at.String())
		}
		isNew, err := appendTo(absolute(c.dir, output.string), lines)
		if err != nil {
			return made, slipway.Errorf(slipway.Invalid, "cannot write %s: %w", output.string, err).At(output.at.String())
		}
		if isNew {
			made.files = append(made.files, output.string)
		}
	}
	return made, nil
}

// lines returns a line for each file of the artifact, or one with the digest of an image.
func (c *checksum) lines(kind string, a artifact) (string, error) {
	if a.image != "" {
		return strings.TrimPrefix(string(a.image), "sha256:") + "\t" + a.name + "\n", nil
	}
	var b strings.Builder
	for _, name := range a.files {
		h := hashes[kind]()
		if err := copyFile(h, absolute(c.dir, name)); err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%x\t%s\n", h.Sum(nil), filepath.Base(name))
	}
	return b.String(), nil
}

// appendTo adds text to the end of the file, and reports whether that was made for it.
func appendTo(name, text string) (isNew bool, err error) {
	if text == "" {
		return false, nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return false, err
	}
	_, err = os.Stat(name)
	isNew = os.IsNotExist(err)
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return false, err
	}
	_, err = f.WriteString(text)
	return isNew, errors.Join(err, f.Close())
}
