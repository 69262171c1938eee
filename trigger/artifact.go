package trigger

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/slipway-sh/slipway"
)

// bakesLookedAt is how many bakes, the newest first, are looked through for one whose context is known.
const bakesLookedAt = 50

// PushArtifact implements [slipway.Triggers].
func (s *Service) PushArtifact(ctx context.Context, a slipway.Artifact, content io.Reader) (slipway.PushedArtifact, error) {
	if err := a.Validate(); err != nil {
		return slipway.PushedArtifact{}, err
	}
	if _, err := s.Store.Application(ctx, a.Application); err != nil {
		return slipway.PushedArtifact{}, err
	}
	if err := s.keep(ctx, &a, content); err != nil {
		return slipway.PushedArtifact{}, err
	}
	if a.Source != nil {
		a.Source.Repository = slipway.WithoutCredentials(a.Source.Repository)
	}
	a.ID, a.By, a.Pushed = s.NewID("af-"), slipway.PrincipalOf(ctx).Name, s.Now().UTC()
	if err := s.Store.PutArtifact(ctx, a); err != nil {
		return slipway.PushedArtifact{}, err
	}
	ctx = context.WithoutCancel(ctx) // from here on it is pushed, whoever goes away
	s.tell(ctx, slipway.Event{Kind: slipway.ArtifactPushed, Application: a.Application}, a, "artifact %s pushed%s (%s, %d bytes)",
		a.Name, versionText(a.Version), a.Digest.Short(), a.Size)
	pushed := slipway.PushedArtifact{Artifact: a, Firings: []slipway.Firing{}}
	if err := s.feed.Pump(ctx); err != nil {
		return pushed, err
	}
	triggers, err := s.Store.Triggers(ctx, a.Application)
	if err != nil {
		return pushed, err
	}
	for _, t := range triggers {
		firings, err := s.Store.Firings(ctx, t.ID, 20)
		if err != nil {
			return pushed, err
		}
		for _, f := range firings {
			if f.Artifact == a.ID {
				pushed.Firings = append(pushed.Firings, f)
			}
		}
	}
	s.loop.Nudge()
	return pushed, nil
}

func versionText(version string) string {
	if version == "" {
		return ""
	}
	return " as " + version
}

// keep stores what was pushed as a blob.
func (s *Service) keep(ctx context.Context, a *slipway.Artifact, content io.Reader) error {
	if a.Digest != "" {
		if err := a.Digest.Validate(); err != nil {
			return err
		}
		counted := &counter{Reader: content}
		size := a.Size
		if size == 0 {
			size = -1
		}
		if err := s.Blobs.PutBlob(ctx, a.Digest, size, counted); err != nil {
			return err
		}
		_, err := io.Copy(io.Discard, counted) // what was stored already was not read
		a.Size = counted.n
		return err
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return fmt.Errorf("keep what is pushed: %w", err)
	}
	spool, err := os.CreateTemp(s.Dir, "pushed-")
	if err != nil {
		return fmt.Errorf("keep what is pushed: %w", err)
	}
	defer func() { _ = errors.Join(spool.Close(), os.Remove(spool.Name())) }() // it is only in the way
	hash := sha256.New()
	if a.Size, err = io.Copy(io.MultiWriter(spool, hash), content); err != nil {
		return slipway.Errorf(slipway.Unavailable, "cannot keep what is pushed: it broke off, or the disk is full: %w", err)
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("keep what is pushed: %w", err)
	}
	a.Digest = slipway.Digest("sha256:" + hex.EncodeToString(hash.Sum(nil)))
	return s.Blobs.PutBlob(ctx, a.Digest, a.Size, spool)
}

type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// ListArtifacts implements [slipway.Triggers].
func (s *Service) ListArtifacts(ctx context.Context, filter slipway.ArtifactFilter, limit int) ([]slipway.Artifact, error) {
	return s.Store.Artifacts(ctx, filter, limit)
}

// rebake returns the request of a bake as the application's newest one, but for the one file whose place the artifact takes.
func (s *Service) rebake(ctx context.Context, t slipway.Trigger, a slipway.Artifact) (*slipway.BakeRequest, error) {
	bakes, err := s.Store.Bakes(ctx, t.Application, bakesLookedAt)
	if err != nil {
		return nil, err
	}
	var req *slipway.BakeRequest
	for _, b := range bakes {
		if b.Request == "" || b.Rebuild != "" {
			continue
		}
		req, err = slipway.ReadBakeRequest(ctx, s.Blobs, b.Request)
		if err == nil {
			break
		}
		if slipway.CodeOf(err) != slipway.NotFound {
			return nil, err
		}
	}
	if req == nil {
		return nil, slipway.Errorf(slipway.NotFound, "cannot bake %s with what was pushed: no bake of it is known to take the other files from; ship it once", t.Application)
	}
	i, err := placeOf(req.Context, t.Path, a.Name)
	if err != nil {
		return nil, err
	}
	entry := &req.Context[i]
	entry.Digest, entry.Size = a.Digest, a.Size
	if a.Mode != 0 {
		entry.Mode = a.Mode
	}
	req.Version, req.Source = a.Version, a.Source
	req.NoCache, req.Refresh, req.KeepOnFailure, req.Secrets, req.After = nil, false, false, "", nil
	return req, nil
}

// placeOf returns which file of a context an artifact takes the place of: that at the path, or the only one of its name.
func placeOf(entries []slipway.ContextEntry, at, name string) (int, error) {
	found := -1
	var others []string
	for i, e := range entries {
		if e.Dir || e.Link != "" {
			continue
		}
		if at == "" && path.Base(e.Path) == name || at != "" && e.Path == at {
			others = append(others, e.Path)
			found = i
		}
	}
	switch len(others) {
	case 1:
		return found, nil
	case 0:
		return 0, slipway.Errorf(slipway.NotFound, "cannot bake with what was pushed: the last bake's context has no file %s; give the trigger the path of the file whose place it takes, with --path", cmp.Or(at, name))
	}
	return 0, slipway.Errorf(slipway.Invalid, "cannot bake with what was pushed: %d files of the last bake's context are called %s (%s); give the trigger the path of one, with --path",
		len(others), name, strings.Join(others[:min(len(others), 5)], ", "))
}
