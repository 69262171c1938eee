package registry

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/slipway-sh/slipway"
)

// FetchLayer implements [slipway.Registry].
func (c *Client) FetchLayer(ctx context.Context, ref string, layer slipway.RemoteLayer, take func(io.Reader) error) error {
	r, err := c.parse(ref)
	if err != nil {
		return err
	}
	puller, err := c.puller()
	if err != nil {
		return fmt.Errorf("speak to registries: %w", err)
	}
	return c.fetch(ctx, puller, r, layer.Digest, layer.Size, take)
}

// fetch gives take the bytes of a blob: see [slipway.Registry.FetchLayer].
func (c *Client) fetch(ctx context.Context, puller *remote.Puller, r name.Reference, d slipway.Digest, size int64, take func(io.Reader) error) error {
	doing := purpose{"fetch", "blob " + d.Short() + " of " + r.Context().String(), r}
	var refused error // by take
	err := c.attempt(ctx, doing, func(ctx context.Context) error {
		return watched(ctx, c.patience.Silence, func(ctx context.Context, moved func()) error {
			blob, err := puller.Layer(ctx, at(r, d))
			if err != nil {
				return err
			}
			body, err := blob.Compressed()
			if err != nil {
				return err
			}
			defer body.Close()
			v := &verified{r: body, want: d, size: size, hash: sha256.New(), moved: moved, doing: doing}
			if err := take(v); err != nil {
				if v.err != nil {
					return v.err // of which err is the consequence
				}
				refused = err
				return nil
			}
			_, err = io.Copy(io.Discard, v) // what was taken counts only if all of it is what it should be
			return err
		})
	})
	return errors.Join(err, refused)
}

// verified reads a body, and ends with io.EOF only if the bytes are those that a digest names.
type verified struct {
	r     io.Reader
	want  slipway.Digest
	size  int64
	hash  hash.Hash
	moved func()
	doing purpose

	got int64
	err error // that it ended with, nil for io.EOF
}

// Read implements io.Reader.
func (v *verified) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	n, err := v.r.Read(p)
	v.moved()
	v.hash.Write(p[:n])
	v.got += int64(n)
	switch {
	case v.got > v.size:
		v.err = v.wrong("it is longer than %d bytes", v.size)
		return 0, v.err
	case err == nil:
		return n, nil
	case v.got == v.size:
		// Whatever ended it, all that was wanted is here.
		if got := slipway.DigestFromSum(v.hash.Sum(nil)); got != v.want {
			v.err = v.wrong("its content has the digest %s", got)
			return n, v.err
		}
		return n, io.EOF
	case isConnection(err) && !errors.Is(err, io.EOF):
		v.err = err
	default:
		v.err = &shortError{v.got, v.size}
	}
	return n, v.err
}

// wrong is the error of a blob that is not what its digest names.
func (v *verified) wrong(format string, args ...any) error {
	return slipway.Errorf(slipway.Corrupt, "cannot %s %s: the registry answered with something else: %s; nothing of it was kept",
		v.doing.verb, v.doing.what, fmt.Sprintf(format, args...))
}
