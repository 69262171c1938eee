package client

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-sh/slipway"
)

// parallelUploads is how many blobs are sent at the same time.
const parallelUploads = 4

// askFirst is the size from which the server is asked whether it wants a blob before it is sent: its disk may be full.
const askFirst = 1 << 20

// Upload says how far an upload is.
type Upload struct {
	Files, Bytes int64 // sent
	FilesTotal   int64 // to send: what the server did not have
	BytesTotal   int64
}

// MissingBlobs returns those of digests that the server does not have.
func (c *Client) MissingBlobs(ctx context.Context, digests []slipway.Digest) ([]slipway.Digest, error) {
	type request struct {
		Digests []slipway.Digest `json:"digests"`
	}
	type answer struct {
		Missing []slipway.Digest `json:"missing"`
	}
	a, err := call[answer](ctx, c, http.MethodPost, "/v1/blobs/missing", request{digests})
	return a.Missing, err
}

// PutBlob sends size bytes of r, whose digest is d. The server refuses other bytes.
func (c *Client) PutBlob(ctx context.Context, d slipway.Digest, size int64, r io.Reader) error {
	if size == 0 {
		r = http.NoBody // so that the length is sent as 0, not left open
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, c.base+"/v1/blobs/"+string(d), r)
	if err != nil {
		return err
	}
	req.ContentLength = size
	req.Header.Set("Content-Type", "application/octet-stream")
	if size > askFirst {
		req.Header.Set("Expect", "100-continue")
	}
	res, err := c.do(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// UploadContext sends the contents of those files of the context that the server does not have, from tree, a few at a time.
// It calls progress, which may be nil, at the start and after every chunk, never twice at once.
func (c *Client) UploadContext(ctx context.Context, tree fs.FS, entries []slipway.ContextEntry, progress func(Upload)) (Upload, error) {
	files := map[slipway.Digest]slipway.ContextEntry{}
	var digests []slipway.Digest
	for _, e := range entries {
		if _, seen := files[e.Digest]; e.Digest != "" && !seen {
			files[e.Digest] = e
			digests = append(digests, e.Digest)
		}
	}
	if len(digests) == 0 {
		return Upload{}, nil
	}
	missing, err := c.MissingBlobs(ctx, digests)
	if err != nil {
		return Upload{}, err
	}
	m := meter{report: progress}
	for _, d := range missing {
		m.state.FilesTotal++
		m.state.BytesTotal += files[d].Size
	}
	m.add(0, 0)
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(parallelUploads)
	for _, d := range missing {
		work.Go(func() error {
			if err := c.uploadFile(ctx, tree, files[d], &m); err != nil {
				return err
			}
			m.add(1, 0)
			return nil
		})
	}
	err = work.Wait()
	return m.state, err
}

func (c *Client) uploadFile(ctx context.Context, tree fs.FS, e slipway.ContextEntry, m *meter) error {
	f, err := tree.Open(e.Path)
	if err != nil {
		return slipway.Errorf(slipway.Invalid, "cannot upload %s: %w", e.Path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return slipway.Errorf(slipway.Invalid, "cannot upload %s: %w", e.Path, err)
	}
	if info.Size() != e.Size {
		return slipway.Errorf(slipway.Conflict, "cannot upload %s: it changed since it was read; start again when the build is over", e.Path)
	}
	err = c.PutBlob(ctx, e.Digest, e.Size, io.TeeReader(f, m))
	var problem *slipway.Error
	if errors.As(err, &problem) && problem.Place == "" {
		return problem.At(e.Path)
	}
	return err
}

// meter counts what was sent. It is an io.Writer of bytes that are sent.
type meter struct {
	mu     sync.Mutex
	state  Upload
	report func(Upload)
}

func (m *meter) Write(p []byte) (int, error) {
	m.add(0, int64(len(p)))
	return len(p), nil
}

func (m *meter) add(files, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state.Files += files
	m.state.Bytes += bytes
	if m.report != nil {
		m.report(m.state)
	}
}
