package cli

import (
	"cmp"
	"errors"
	"os"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

// trust has c trust the certificate authority that --ca or SLIPWAY_CA names, a file or a fingerprint, instead of those of this host. There is
// no way to trust whoever happens to answer.
func (f *Factory) trust(c *client.Client) error {
	ca := cmp.Or(f.ca, f.Env("SLIPWAY_CA"))
	if ca == "" {
		return nil
	}
	if client.IsFingerprint(ca) {
		return c.PinCA(ca)
	}
	text, err := os.ReadFile(ca)
	if errors.Is(err, os.ErrNotExist) {
		return slipway.Errorf(slipway.NotFound, "cannot find the certificate authority %s: want a file in PEM, or a fingerprint, sha256:… with 64 hexadecimal digits", ca)
	}
	if err != nil {
		return err
	}
	return c.TrustCA(text)
}
