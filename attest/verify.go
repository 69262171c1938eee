package attest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-sh/slipway"
)

// Layout is where an image and the documents about it are. Methods are safe for concurrent use.
type Layout interface {
	// OpenBlob opens a blob; NotFound if it is not there. It does not verify the content.
	OpenBlob(ctx context.Context, d slipway.Digest) (io.ReadCloser, error)
	// Check returns nil if the blob's content is what the digest names, Corrupt if it is not, NotFound if it is not there.
	Check(ctx context.Context, d slipway.Digest) error
	// ReferrerManifests returns the digests of the manifests of documents about the image. Corrupt if their list is not what was stored.
	ReferrerManifests(ctx context.Context, image slipway.Digest) ([]slipway.Digest, error)
}

// What an image's manifest says it is. It is package image's, which this one does without so that verifying needs little.
const machineType = "application/vnd.slipway.machine.v1"

// maxBlob bounds a manifest or document that is read, bytes.
const maxBlob = 64 << 20

// Verifier verifies images in a layout. It implements [slipway.Statements].
type Verifier struct {
	Layout  Layout
	Trusted func() ([]PublicKey, error)
	Signing string // ID of the key that the server signs with, "" if there is no server
}

// VerifyImage implements [slipway.ImageVerifier]. Signatures come first: layers that nobody vouches for need not be hashed.
func (v *Verifier) VerifyImage(ctx context.Context, image slipway.Digest) (slipway.Verification, error) {
	var none slipway.Verification
	if err := image.Validate(); err != nil {
		return none, err
	}
	var m specs.Manifest
	switch err := v.readJSON(ctx, image, &m); {
	case slipway.CodeOf(err) == slipway.NotFound:
		return none, slipway.Errorf(slipway.NotFound, "cannot find image %s", image)
	case err != nil:
		return none, flaw(image, "its manifest", err)
	case m.ArtifactType != machineType:
		return none, slipway.Errorf(slipway.Invalid, "cannot verify %s: it is no machine image", image)
	}
	result := slipway.Verification{Image: image, Layers: len(m.Layers)}
	for _, k := range kinds {
		s, err := v.signed(ctx, image, k)
		if err == nil {
			err = report(&result, k, s.predicate)
		}
		if err != nil {
			return none, flaw(image, "its "+k.what, err)
		}
		if !slices.Contains(result.Keys, s.by) {
			result.Keys = append(result.Keys, s.by)
		}
	}
	if err := v.Layout.Check(ctx, slipway.Digest(m.Config.Digest)); err != nil {
		return none, flaw(image, fmt.Sprintf("its configuration, %s,", m.Config.Digest), err)
	}
	for i, l := range m.Layers {
		if err := v.Layout.Check(ctx, slipway.Digest(l.Digest)); err != nil {
			return none, flaw(image, fmt.Sprintf("its layer %d, %s,", i+1, l.Digest), err)
		}
		result.Size += l.Size
	}
	return result, nil
}

// Statement implements [slipway.Statements].
func (v *Verifier) Statement(ctx context.Context, image slipway.Digest, name slipway.StatementKind) ([]byte, error) {
	k, err := kindOf(name)
	if err != nil {
		return nil, err
	}
	s, err := v.signed(ctx, image, k)
	switch {
	case errors.Is(err, errMissing):
		return nil, slipway.Errorf(slipway.NotFound, "cannot show the %s of image %s: there is none", k.what, image.Short())
	case err != nil:
		return nil, flaw(image, "its "+k.what, err)
	}
	return s.envelope, nil
}

// Keys implements [slipway.Statements].
func (v *Verifier) Keys(context.Context) ([]slipway.PublicKey, error) {
	trusted, err := v.Trusted()
	if err != nil {
		return nil, err
	}
	var keys []slipway.PublicKey
	for _, k := range trusted {
		keys = append(keys, slipway.PublicKey{ID: k.ID(), PEM: k.PEM(), Signs: k.ID() == v.Signing})
	}
	return keys, nil
}

// signedStatement is a statement that a trusted key signed.
type signedStatement struct {
	envelope  []byte
	predicate json.RawMessage
	by        string // ID of the key
	document  slipway.Digest
}

var errMissing = slipway.Errorf(slipway.Refused, "is missing")

// signed returns the statement of a kind about the image: of several, as of an image that two servers baked, the one that ended last.
// Documents of a kind that no trusted key signed count only if there is no other, which they might be there to hide.
func (v *Verifier) signed(ctx context.Context, image slipway.Digest, k kind) (signedStatement, error) {
	trusted, err := v.Trusted()
	if err != nil {
		return signedStatement{}, err
	}
	manifests, err := v.Layout.ReferrerManifests(ctx, image)
	if err != nil {
		return signedStatement{}, err
	}
	var found []signedStatement
	var why error = errMissing
	for _, d := range manifests {
		var m specs.Manifest
		if err := v.readJSON(ctx, d, &m); err != nil {
			return signedStatement{}, err
		}
		if m.ArtifactType != k.artifactType || len(m.Layers) != 1 {
			continue
		}
		s := signedStatement{document: slipway.Digest(m.Layers[0].Digest)}
		if s.envelope, err = v.read(ctx, s.document); err != nil {
			return signedStatement{}, err
		}
		payload, by, err := open(s.envelope, trusted)
		if err == nil {
			s.by = by
			s.predicate, err = k.read(payload, image)
		}
		if err != nil {
			why = err
			continue
		}
		found = append(found, s)
	}
	if len(found) == 0 {
		return signedStatement{}, why
	}
	return slices.MaxFunc(found, func(a, b signedStatement) int { return ended(a.predicate).Compare(ended(b.predicate)) }), nil
}

// ended returns when what a predicate tells of was over, zero for one that does not say.
func ended(predicate json.RawMessage) time.Time {
	var p struct {
		FinishedOn time.Time `json:"finishedOn"`
		RunDetails struct {
			Metadata struct {
				FinishedOn time.Time `json:"finishedOn"`
			} `json:"metadata"`
		} `json:"runDetails"`
	}
	if json.Unmarshal(predicate, &p) != nil {
		return time.Time{}
	}
	return cmp.Or(p.FinishedOn, p.RunDetails.Metadata.FinishedOn)
}

// report adds to a verification what a signed predicate says, and returns why the image must not be used if it says so.
func report(to *slipway.Verification, k kind, predicate json.RawMessage) error {
	fail := func(err error) error { return slipway.Errorf(slipway.Refused, "cannot be read: %w", err) }
	switch k.name {
	case slipway.StatementProvenance:
		var p provenance
		if err := json.Unmarshal(predicate, &p); err != nil {
			return fail(err)
		}
		to.Builder, to.Bake = p.BuildDefinition.InternalParameters.Builder, p.RunDetails.Metadata.InvocationID
		to.Finished = p.RunDetails.Metadata.FinishedOn
		for _, r := range p.BuildDefinition.ResolvedDependencies {
			if r.Name == sourceName {
				to.Source = strings.TrimSpace(r.URI + " " + r.Digest[gitCommit])
			}
		}
	case slipway.StatementTests:
		var r testResult
		if err := json.Unmarshal(predicate, &r); err != nil {
			return fail(err)
		}
		if r.Result != passed || len(r.FailedTests) > 0 {
			return slipway.Errorf(slipway.Refused, "says that it did not pass: %s", strings.Join(r.FailedTests, ", "))
		}
		to.Tests = len(r.PassedTests)
	case slipway.StatementSBOM:
		var bom struct {
			Components []struct{} `json:"components"`
		}
		if err := json.Unmarshal(predicate, &bom); err != nil {
			return fail(err)
		}
		to.Packages = len(bom.Components)
	}
	return nil
}

// flaw says of which part of which image an error is.
func flaw(image slipway.Digest, part string, err error) error {
	code := slipway.CodeOf(err)
	why := slipway.MessageOf(err)
	switch code {
	case slipway.Corrupt:
		e := slipway.Errorf(slipway.Corrupt, "cannot trust image %s: %s has been altered", image.Short(), part)
		e.Err = err
		return e
	case slipway.NotFound:
		e := slipway.Errorf(slipway.Corrupt, "cannot trust image %s: %s is gone", image.Short(), part)
		e.Err = err
		return e
	case slipway.Refused:
		return slipway.Errorf(slipway.Refused, "cannot trust image %s: %s %s", image.Short(), part, why)
	}
	return err
}

func (v *Verifier) readJSON(ctx context.Context, d slipway.Digest, to any) error {
	text, err := v.read(ctx, d)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, to); err != nil {
		return slipway.Errorf(slipway.Corrupt, "cannot read %s: %w", d, err)
	}
	return nil
}

// read returns a small blob whose content is what its digest names.
func (v *Verifier) read(ctx context.Context, d slipway.Digest) ([]byte, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	f, err := v.Layout.OpenBlob(ctx, d)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxBlob+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read blob %s: %w", d, err)
	case slipway.DigestOf(text) != d:
		return nil, slipway.Errorf(slipway.Corrupt, "blob %s has the digest %s", d.Short(), slipway.DigestOf(text).Short())
	}
	return text, nil
}

var _ slipway.Statements = (*Verifier)(nil)
