package bake

import (
	"context"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
)

// planCopy plans a layer of files of the context, written straight from their blobs.
func (b *Baker) planCopy(s site, c slipway.CopyLayer) (plan, error) {
	from := s.place + ".copy.from"
	entries, err := s.files.tree(c.From, from)
	if err != nil {
		return plan{}, err
	}
	owner, mode, err := ownerMode(c.Owner, c.Mode, s.place+".copy")
	if err != nil {
		return plan{}, err
	}
	top := entries[0]
	if c.Unpack && top.Dir {
		return plan{}, slipway.Errorf(slipway.Invalid, "cannot unpack %s: it is a directory, want a tar, tar.gz or zip archive", c.From).At(from)
	}
	key := stepKey{Layer: &slipway.Layer{Copy: &c}, Inputs: entries}
	return plan{place: from, key: key, add: func(ctx context.Context, l *image.Layer, _ io.Writer) error {
		switch {
		case c.Unpack:
			return l.AddArchive(ctx, top.Digest, image.Options{To: c.To, Owner: owner, Mode: mode, Untrusted: true})
		case top.Dir:
			return copyTree(ctx, l, entries, c.To, owner, mode)
		case strings.HasSuffix(c.To, "/"):
			return l.AddBlob(ctx, c.To+path.Base(c.From), attr(top, owner, mode), top.Digest)
		}
		return l.AddBlob(ctx, c.To, attr(top, owner, mode), top.Digest)
	}}, nil
}

// planTemplate plans a layer of one file rendered from a template of the context.
func (b *Baker) planTemplate(s site, t slipway.TemplateLayer) (plan, error) {
	place, application := s.place+".template", s.job.Request.Spec.Application
	from := place + ".from"
	file, err := s.files.file(t.From, from)
	if err != nil {
		return plan{}, err
	}
	if strings.HasSuffix(t.To, "/") {
		return plan{}, slipway.Errorf(slipway.Invalid, "cannot render %s to %s: want the name of a file", t.From, t.To).At(place + ".to")
	}
	owner, mode, err := ownerMode(t.Owner, t.Mode, place)
	if err != nil {
		return plan{}, err
	}
	file.Mode = 0o644
	key := stepKey{Application: application, Layer: &slipway.Layer{Template: &t}, Inputs: []slipway.ContextEntry{file}}
	return plan{place: from, key: key, add: func(ctx context.Context, l *image.Layer, _ io.Writer) error {
		text, err := b.render(ctx, application, t, file)
		if err != nil {
			return err
		}
		return l.AddFile(t.To, attr(file, owner, mode), text)
	}}, nil
}

// copyTree adds a directory's entries, the directory itself first.
func copyTree(ctx context.Context, l *image.Layer, entries []slipway.ContextEntry, to string, owner *image.Owner, mode *uint32) error {
	top := entries[0].Path
	for _, e := range entries {
		name := path.Join(to, e.Path)
		if top != "." {
			name = path.Join(to, strings.TrimPrefix(e.Path, top))
		}
		var err error
		switch {
		case e.Dir:
			err = l.AddDir(name, attr(e, owner, mode))
		case e.Link != "":
			err = l.AddSymlink(name, e.Link, attr(e, owner, mode))
		default:
			err = l.AddBlob(ctx, name, attr(e, owner, mode), e.Digest)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// attr returns the attributes of a context entry in the image: root's, unless owner says otherwise.
func attr(e slipway.ContextEntry, owner *image.Owner, mode *uint32) image.Attr {
	a := image.Attr{Mode: e.Mode & 0o7777}
	if owner != nil {
		a.UID, a.GID = owner.UID, owner.GID
	}
	if mode != nil {
		a.Mode = *mode
		if e.Dir {
			a.Mode = *mode&0o777 | *mode&0o444>>2 // who may read it may enter it
		}
	}
	return a
}

// ownerMode reads the two as they are written in a specification; nil where nothing is.
func ownerMode(owner, mode, place string) (*image.Owner, *uint32, error) {
	o, m := &image.Owner{}, (*uint32)(nil)
	if owner != "" {
		user, group, ok := strings.Cut(owner, ":")
		uid, uerr := strconv.ParseUint(user, 10, 32)
		gid, gerr := strconv.ParseUint(group, 10, 32)
		if !ok || uerr != nil || gerr != nil {
			return nil, nil, slipway.Errorf(slipway.Invalid, "cannot use %q as owner: want \"uid:gid\" in digits, such as \"1000:1000\"", owner).At(place + ".owner")
		}
		o.UID, o.GID = uint32(uid), uint32(gid)
	}
	if mode != "" {
		bits, err := strconv.ParseUint(mode, 8, 12)
		if err != nil {
			return nil, nil, slipway.Errorf(slipway.Invalid, "cannot use %q as mode: want octal digits in quotes, such as \"0755\"", mode).At(place + ".mode")
		}
		v := uint32(bits)
		m = &v
	}
	return o, m, nil
}
