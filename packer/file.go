package packer

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-sh/slipway"
)

// file adds a layer for each source of a file provisioner.
func (t *translation) file(p provisioner) {
	var s struct {
		Source      text    `packer:"source"`
		Sources     []text  `packer:"sources"`
		Content     setting `packer:"content"`
		Destination text    `packer:"destination"`
		Direction   text    `packer:"direction"`
		Generated   bool    `packer:"generated"`
	}
	if !t.into(p.component, &s, manual{}) {
		return
	}
	switch {
	case s.Direction.string != "" && s.Direction.string != "upload":
		t.problems.add(s.Direction.at, "cannot use direction = %q of the file provisioner: nothing is taken out of an image; want upload",
			s.Direction.string)
		return
	case !s.Destination.given():
		t.problems.add(p.at, "cannot run the file provisioner: want a destination")
		return
	case s.Source.given():
		s.Sources = append(s.Sources, s.Source)
	}
	if (len(s.Sources) > 0) == (s.Content.value != nil) {
		t.problems.add(p.at, "cannot run the file provisioner: want either source, sources or content")
		return
	}
	t.secrets.plain(t.problems, s.Destination, "the path of a file")
	to, ok := t.imagePath(s.Destination)
	if !ok {
		return
	}
	if s.Content.value != nil {
		t.content(p, s.Content, to)
		return
	}
	for _, source := range s.Sources {
		t.upload(p, source, to)
	}
}

// imagePath returns a destination as a layer has it: absolute, and clean but for a slash at its end.
func (t *translation) imagePath(destination text) (string, bool) {
	to := destination.string
	switch {
	case to == "" || strings.HasPrefix(to, "~") || strings.ContainsAny(to, "\x00$"):
		t.problems.add(destination.at, "cannot use %q as a path in the image: want an absolute one", to)
		return "", false
	case !path.IsAbs(to):
		to = t.home + "/" + to
	}
	clean := path.Clean(to)
	if strings.HasSuffix(to, "/") && clean != "/" {
		clean += "/"
	}
	return clean, true
}

func (t *translation) content(p provisioner, content setting, to string) {
	c := t.text(content, false)
	t.secrets.plain(t.problems, c, "a file")
	if strings.HasSuffix(to, "/") {
		t.problems.add(content.at, "cannot write content to %s: want the name of a file", to)
		return
	}
	from := path.Join(contextRoot, p.name(), fileName(to))
	t.context.add(from, 0o644, []byte(c.string))
	t.layer(slipway.Layer{Copy: &slipway.CopyLayer{From: from, To: to}}, content.at)
}

// directories are paths that every image has as directories. A file that takes the place of one leaves nothing of it.
var directories = []string{
	"/bin", "/dev", "/etc", "/home", "/lib", "/mnt", "/opt", "/root", "/run", "/sbin", "/srv", "/tmp", "/usr", "/usr/bin", "/usr/lib",
	"/usr/local", "/usr/local/bin", "/usr/sbin", "/usr/share", "/var", "/var/lib", "/var/log", "/var/tmp",
}

// upload adds a layer of a file or directory of this host, with the meaning that Packer gives to slashes: the content of source/
// goes into the destination, and source itself if there is none at its end.
func (t *translation) upload(p provisioner, source text, to string) {
	from := path.Join(contextRoot, p.name(), fileName(source.string))
	if n := len(t.context.uploads); slices.ContainsFunc(t.context.uploads, func(u upload) bool { return u.name == from }) {
		from += fmt.Sprintf(".%d", n) // another of the same name, from another directory
	}
	isDir, ok := t.bring(source, from)
	name := filepath.Base(absolute(t.Dir, source.string))
	switch {
	case !ok:
		return
	case isDir && !strings.HasSuffix(source.string, "/") && filepath.Base(source.string) != ".":
		to = path.Join(to, name)
	case isDir:
		to = path.Clean(to)
	case strings.HasSuffix(to, "/"):
		to += name
	case slices.Contains(directories, to):
		t.problems.add(source.at, "cannot put the file %s in the place of the directory %s: write the destination %s/ to put it into that",
			source.string, to, to)
		return
	}
	t.layer(slipway.Layer{Copy: &slipway.CopyLayer{From: from, To: to}}, source.at)
}

// bring puts a file or directory of this host into the context as name, and reports which it is.
func (t *translation) bring(source text, name string) (isDir, ok bool) {
	t.secrets.plain(t.problems, source, "the path of a file")
	host := absolute(t.Dir, source.string)
	if real, err := filepath.EvalSymlinks(host); err == nil {
		host = real // what the template names is followed if it is a link
	}
	info, err := os.Stat(host)
	switch {
	case os.IsNotExist(err):
		t.problems.add(source.at, "cannot find %s%s", source.string, t.elsewhere(source.string))
	case err != nil:
		t.problems.add(source.at, "cannot read %s: %w", source.string, err)
	case !info.IsDir() && !info.Mode().IsRegular():
		t.problems.add(source.at, "cannot use %s: want a file or a directory", source.string)
	default:
		t.context.copy(name, host, source)
		return info.IsDir(), true
	}
	return false, false
}
