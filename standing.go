package slipway

import "context"

// Standing says whether somebody who has asked for work may still do what a later part of it does, when that begins: roles are taken back,
// tokens revoked and rules made while it is under way. Methods are safe for concurrent use.
type Standing interface {
	// Stands returns nil if who may do what verb does, with the image, to the cluster, now. Forbidden, with the reason, if not; another error
	// if that cannot be told. Nobody in particular, as in work that began before it was noted who has asked for it, may.
	Stands(ctx context.Context, who Principal, verb string, cluster Cluster, image Digest) error
}
