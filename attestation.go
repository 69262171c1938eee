package slipway

import (
	"context"
	"time"
)

// ImageVerifier says whether an image is what was baked, tested and signed. Methods are safe for concurrent use.
type ImageVerifier interface {
	// VerifyImage checks every part of the image against the digests that its own digest covers, and that a trusted key has signed how
	// it was made, what is in it, and that it passed its tests. Corrupt, naming the part, if one is not what was baked; Refused if a
	// signed statement is missing, is signed by no trusted key or is about another image, or if the tests failed; NotFound if there is
	// no such image.
	VerifyImage(ctx context.Context, image Digest) (Verification, error)
}

// Verification is what was verified of an image.
type Verification struct {
	Image    Digest    `json:"image"`
	Keys     []string  `json:"keys"`              // IDs of the keys that signed its statements
	Layers   int       `json:"layers"`            //
	Size     int64     `json:"size"`              // of the layers, bytes
	Tests    int       `json:"tests"`             // that passed
	Packages int       `json:"packages"`          // that its bill of materials lists
	Builder  string    `json:"builder,omitempty"` // version of the slipwayd that baked it
	Bake     string    `json:"bake,omitempty"`    // that made it first
	Finished time.Time `json:"finished,omitzero"` // when that bake ended
	Source   string    `json:"source,omitempty"`  // of its build context, as the client told: a repository and commit
}

// PublicKey is a key whose signatures are trusted.
type PublicKey struct {
	ID    string `json:"id"`              // SHA-256 of the key in its PKIX form, hexadecimal
	PEM   string `json:"pem"`             //
	Signs bool   `json:"signs,omitempty"` // the server signs with it
}

// StatementKind says what a signed statement is about.
type StatementKind string

// The statements about an image.
const (
	StatementProvenance StatementKind = "provenance" // how it was made, SLSA provenance
	StatementTests      StatementKind = "tests"      // what its tests found
	StatementSBOM       StatementKind = "sbom"       // what is in it, CycloneDX
)

// Statements verifies images and shows what is signed about them.
type Statements interface {
	ImageVerifier
	// Statement returns the signed statement of a kind, a DSSE envelope in JSON, after verifying it. NotFound if there is none, Refused
	// if it is signed by no trusted key.
	Statement(ctx context.Context, image Digest, kind StatementKind) ([]byte, error)
	// Keys returns the keys that are trusted, by ID.
	Keys(ctx context.Context) ([]PublicKey, error)
}

// Document is something said about an image, to be stored beside it.
type Document struct {
	Type        string            // media type of Body
	Body        []byte            //
	Annotations map[string]string // for who looks at the list of an image's documents
}
