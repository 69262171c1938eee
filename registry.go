package slipway

import (
	"context"
	"io"
)

// Registry reads images of OCI registries. A reference is what users write: "registry.example.com/team/base:1.2", "debian:bookworm",
// "…@sha256:…". Methods are safe for concurrent use, bound their own time, and retry what may pass, so that callers need not. They
// return Invalid for a reference or an image that cannot be used, NotFound for one that the registry does not have, Unprepared if this
// host has no credentials for it or must not speak to it, DeadlinePast if it gives no proper answer in time, and Corrupt if it answers
// with other bytes than a digest names.
type Registry interface {
	// Resolve returns the digest of the manifest that ref means now, for machines of this host's architecture. A ref with a digest
	// means just that; nothing is asked.
	Resolve(ctx context.Context, ref string) (Digest, error)
	// Layers returns the layers of an image of ref's repository, lowest first. Invalid if any is of a kind that cannot be unpacked, or
	// must not be distributed.
	Layers(ctx context.Context, ref string, manifest Digest) ([]RemoteLayer, error)
	// FetchLayer gives take a layer's compressed bytes, again from their start when the connection broke. At their end take's reader
	// returns Corrupt, not io.EOF, unless they are what the digest names. An error of take ends it and is returned.
	FetchLayer(ctx context.Context, ref string, layer RemoteLayer, take func(io.Reader) error) error
}

// RemoteLayer is a layer as a registry has it: a tar archive, mostly compressed.
type RemoteLayer struct {
	Digest    Digest `json:"digest"`
	Size      int64  `json:"size"` // bytes
	MediaType string `json:"media_type"`
}

// Transfer says how far sending an image to a registry, or taking one from there, is. The last one has Image or Error.
type Transfer struct {
	Message    string `json:"message,omitempty"` // what was done, for people, if this is worth a line of its own
	Blobs      int    `json:"blobs"`             // that are where they should be
	BlobsTotal int    `json:"blobs_total"`
	Bytes      int64  `json:"bytes"` // of those blobs, and of those on their way
	BytesTotal int64  `json:"bytes_total"`
	There      int    `json:"there"` // blobs that need not be moved: they were there before

	Image     *Image `json:"image,omitempty"`     // that was sent, or is registered now
	Reference string `json:"reference,omitempty"` // where it is, with its digest
	Error     *Error `json:"error,omitempty"`
}
