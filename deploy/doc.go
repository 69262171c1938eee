// Package deploy moves a cluster from one image to another as a durable workflow: one file a strategy, in which the order of
// the lines is what keeps traffic safe.
//
// A deployment goes
//
//	record the exact source ─▶ create the target ─▶ healthy ─▶ smoke checks ─▶ shift ─▶ prove ─▶ watch ─▶ settle ─▶ retire
//
// and every change it makes before it settles is written to the ledger (Undo of [slipway.Deployment]) first. A failure or an
// abort takes the ledger back, newest change first: traffic returns to the source, which stands by unchanged, and the
// target is destroyed. Once it has settled a deployment is not undone any more.
//
// A cluster without a load balancer has no traffic to shift, prove or restore. Its source works on beside the target until the
// deployment settles; a source that is kept then is resized to zero, as a worker that runs is not disabled, and started
// again at the size of its own deployment by a rollback.
package deploy
