package registry

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
)

// blobsAtOnce is how many blobs are moved side by side.
const blobsAtOnce = 3

// ExchangeConfig is what an [Exchange] works with.
type ExchangeConfig struct {
	Client *Client
	Images *image.Store
	Store  Records
	Trust  slipway.ImageVerifier // says whether a taken image is ready; nil: none is
	Dir    string                // for a note of which registry has which blob; one process at a time
}

// Records is what is needed of a [slipway.Store].
type Records interface {
	Image(ctx context.Context, digest slipway.Digest) (slipway.Image, error)
	PutImage(ctx context.Context, image slipway.Image) error
}

// Exchange sends our images to registries, and takes them from there. Its methods are safe for concurrent use. Whatever breaks one off,
// what was moved by then need not be moved again.
type Exchange struct {
	*Client
	images *image.Store
	store  Records
	trust  slipway.ImageVerifier
	whereabouts
}

// NewExchange returns an exchange. It touches nothing yet.
func NewExchange(c ExchangeConfig) *Exchange {
	return &Exchange{
		Client: c.Client, images: c.Images, store: c.Store, trust: c.Trust,
		whereabouts: whereabouts{file: filepath.Join(c.Dir, "whereabouts.json"), images: c.Images},
	}
}

// part is a blob of an image, or of a document about it.
type part struct {
	digest slipway.Digest
	size   int64
	media  string
	name   string // for people: "packages nginx-light"
}

// transfer tells how far the moving of parts is.
type transfer struct {
	tell func(slipway.Transfer)

	mu  sync.Mutex
	now slipway.Transfer
}

// expect adds parts that are to be moved.
func (t *transfer) expect(parts []part) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range parts {
		t.now.BlobsTotal++
		t.now.BytesTotal += p.size
	}
}

// moved counts bytes that are on their way, or, if n is negative, that have to be moved again.
func (t *transfer) moved(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.Bytes += n
	t.tell(t.now)
}

// done counts a part that is where it should be; there says that it was before.
func (t *transfer) done(p part, there bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.Blobs++
	if there {
		t.now.There++
		t.now.Bytes += p.size
	}
	t.tell(t.now)
}

// say tells of something that is worth a line of its own.
func (t *transfer) say(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	line := t.now
	line.Message = fmt.Sprintf(format, args...)
	t.tell(line)
}

// pusher returns one to write with, which logs in when it is first used.
func (c *Client) pusher() (*remote.Pusher, error) {
	p, err := remote.NewPusher(c.options...)
	if err != nil {
		return nil, fmt.Errorf("speak to registries: %w", err)
	}
	return p, nil
}
