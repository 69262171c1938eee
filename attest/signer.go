package attest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/slipway-sh/slipway"
)

// Shelf is where an image and the documents about it are, and where more are put.
type Shelf interface {
	Layout
	locks
	// ReplaceReferrers stores documents about the image, durably and all or none, in place of those it has of the same types.
	ReplaceReferrers(ctx context.Context, image slipway.Digest, documents ...slipway.Document) error
}

// Inventory lists what is in an image.
type Inventory interface {
	// BOM returns a CycloneDX document in JSON. The same image gives the same bytes.
	BOM(ctx context.Context, image slipway.Image) ([]byte, error)
	// Current reports whether a document that BOM returned once is what it would return for the same image now.
	Current(bom []byte) bool
}

// Signer signs what is known of images.
type Signer struct {
	Shelf     Shelf
	Key       *Key
	Inventory Inventory
	Version   string // of slipwayd
}

// Attest signs how the bake made the image, what is in the image and what its tests found, and stores that beside it. It is idempotent: what
// is signed already, with this key, and would say the same but for the time, stays as it is. So a bake that found everything cached costs
// the verifying of three signatures, and an image has one statement of each kind, about the first bake of its inputs.
func (s *Signer) Attest(ctx context.Context, image slipway.Image, bake slipway.Bake, req *slipway.BakeRequest) error {
	made, err := newProvenance(ctx, s.Shelf, s.Version, image, bake, req)
	if err != nil {
		return err
	}
	tested, err := newTestResult(image, bake, req)
	if err != nil {
		return err
	}
	mine := &Verifier{Layout: s.Shelf, Trusted: func() ([]PublicKey, error) { return []PublicKey{s.Key.PublicKey}, nil }}
	var documents []slipway.Document
	for _, k := range kinds {
		old, err := mine.signed(ctx, image.Digest, k)
		if err != nil {
			old = signedStatement{} // whatever is wrong with what is there, what takes its place puts it right
		}
		predicate, err := s.predicate(ctx, k, image, old.predicate, made, tested)
		if err != nil {
			return err
		}
		if predicate == nil {
			continue
		}
		d, err := k.document(s.Key, image, predicate)
		if err != nil {
			return err
		}
		documents = append(documents, d)
	}
	if len(documents) == 0 {
		return nil
	}
	return s.Shelf.ReplaceReferrers(ctx, image.Digest, documents...)
}

// predicate returns what is to be signed, nil if old, which is nil if there is none, says the same.
func (s *Signer) predicate(
	ctx context.Context, k kind, image slipway.Image, old json.RawMessage, made provenance, tested testResult,
) (any, error) {
	switch k.name {
	case slipway.StatementProvenance:
		var was provenance
		if old != nil && json.Unmarshal(old, &was) == nil && alike(was.BuildDefinition, made.BuildDefinition) {
			return nil, nil
		}
		return made, nil
	case slipway.StatementTests:
		var was testResult
		if old != nil && json.Unmarshal(old, &was) == nil {
			was.FinishedOn = tested.FinishedOn
			if alike(was, tested) {
				return nil, nil
			}
		}
		return tested, nil
	default:
		if old != nil && s.Inventory.Current(old) {
			return nil, nil
		}
		bom, err := s.Inventory.BOM(ctx, image)
		if err != nil {
			return nil, fmt.Errorf("list what is in image %s: %w", image.Digest.Short(), err)
		}
		return json.RawMessage(bom), nil
	}
}

// alike reports whether two things are the same in JSON, the form in which one of them was read.
func alike[T any](a, b T) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
