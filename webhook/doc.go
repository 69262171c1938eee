// Package webhook signs webhooks, verifies those of others, and reads what GitHub, GitLab and anybody say in them. What it is given comes
// from strangers: nothing is read of a body before its signature is right.
package webhook
