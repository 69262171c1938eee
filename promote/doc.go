// Package promote moves the image that serves in one environment to another, once it meets what the target's policy demands. [Evaluate] is the
// rule, over [Facts] that a [Facts] gatherer reads; a [Workflow] waits for what is not met yet, looks again just before it deploys, and follows
// the ordinary deployment that it starts.
package promote
