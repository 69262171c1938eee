package slipway

// NotRevoked returns nil, or, if the image is revoked, a Refused error that says why and since when. doing is what was wanted, to
// follow "cannot": "deploy it to prod".
//
// All that starts a machine of an image, or builds on it, because a person or a pipeline asked for it asks this first. What replaces the
// dead machines of a server group that is there does not: revoking an image never takes away what serves.
func (i Image) NotRevoked(doing string) error {
	if i.Revoked == nil {
		return nil
	}
	return Errorf(Refused, "cannot %s: %s image %s was revoked %s; take another, or lift it with `slipway image revoke %s@%s --undo`",
		doing, i.Application, i.Name(), i.Revoked, i.Application, i.Digest.Short())
}

// Name returns what people call the image: its version label and the first digits of its digest, or these alone.
func (i Image) Name() string {
	if i.Version == "" {
		return i.Digest.Short()
	}
	return i.Version + " (" + i.Digest.Short() + ")"
}

// String says when, by whom and why: "on 2026-03-04 05:06 UTC by ann: CVE-2026-1".
func (r Revocation) String() string {
	text := "on " + r.At.UTC().Format("2006-01-02 15:04 MST")
	if r.By != "" {
		text += " by " + r.By
	}
	return text + ": " + r.Reason
}

// maxReason bounds the text of a revocation, in bytes.
const maxReason = 1000

// Validate returns an Invalid error unless the revocation has a reason, of at most a thousand bytes, and a time.
func (r Revocation) Validate() error {
	switch {
	case r.Reason == "":
		return Errorf(Invalid, "cannot revoke an image without a reason: say what is wrong with it")
	case len(r.Reason) > maxReason:
		return Errorf(Invalid, "cannot revoke an image for a reason of %d bytes: want at most %d", len(r.Reason), maxReason)
	case r.At.IsZero():
		return Errorf(Invalid, "cannot revoke an image at no time")
	}
	return nil
}
