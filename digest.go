package slipway

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Digest names content by its SHA-256, in the OCI form "sha256:<64 hex digits>".
type Digest string

// DigestOf returns the digest of b.
func DigestOf(b []byte) Digest {
	sum := sha256.Sum256(b)
	return DigestFromSum(sum[:])
}

// DigestFromSum wraps a finished SHA-256 sum.
func DigestFromSum(sum []byte) Digest { return Digest("sha256:" + hex.EncodeToString(sum)) }

// Validate returns an Invalid error unless d is well formed. A valid digest is safe as a file name after Hex.
func (d Digest) Validate() error {
	h, ok := strings.CutPrefix(string(d), "sha256:")
	if !ok || len(h) != 64 || strings.Trim(h, "0123456789abcdef") != "" {
		return Errorf(Invalid, "cannot use %q as a digest: want sha256: and 64 lower-case hex digits", string(d))
	}
	return nil
}

// Hex returns the digits without the algorithm.
func (d Digest) Hex() string { return strings.TrimPrefix(string(d), "sha256:") }

// Short returns the first twelve digits, for people.
func (d Digest) Short() string {
	h := d.Hex()
	return h[:min(12, len(h))]
}
