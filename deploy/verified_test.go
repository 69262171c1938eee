package deploy

import (
	"context"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
)

// verdict is what a verifier says of every image.
type verdict struct{ err error }

func (v verdict) VerifyImage(_ context.Context, d slipway.Digest) (slipway.Verification, error) {
	return slipway.Verification{Image: d}, v.err
}

func TestVerified(t *testing.T) {
	unsigned := slipway.Errorf(slipway.Refused, "cannot trust image abc: its provenance is missing")
	altered := slipway.Errorf(slipway.Corrupt, "cannot trust image abc: its layer 2 has been altered")
	deployment := slipway.Deployment{Kind: slipway.KindDeploy, Cluster: cluster, Image: imageOf("v1")}
	again, back := deployment, deployment
	again.Kind, again.Clone = slipway.KindRollback, "hello-prod-v001"
	back.Kind, back.Target = slipway.KindRollback, "hello-prod-v001"
	for name, test := range map[string]struct {
		d       slipway.Deployment
		verdict error
		code    slipway.Code
		says    string
	}{
		"signed":                              {deployment, nil, "", ""},
		"unsigned":                            {deployment, unsigned, slipway.Refused, "cannot deploy hello to prod: image abc: its provenance is missing; bake it again"},
		"altered":                             {deployment, altered, slipway.Corrupt, "cannot deploy hello to prod: image abc: its layer 2 has been altered; remove what was altered"},
		"no such image":                       {deployment, slipway.Errorf(slipway.NotFound, "cannot find image abc"), slipway.NotFound, "cannot find image abc"},
		"rolled back to a group that is gone": {again, unsigned, slipway.Refused, "cannot roll hello back in prod: image abc"},
		"rolled back to a group that runs":    {back, altered, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := Verified(t.Context(), verdict{test.verdict}, test.d)
			if slipway.CodeOf(err) != test.code || !strings.HasPrefix(slipway.MessageOf(err), test.says) {
				t.Errorf("%v, want %s: %s", err, test.code, test.says)
			}
		})
	}
}
