// Package check finds out whether machines do what they should: it waits for their health, runs a [slipway.Test] against one, and
// takes the measurements of a [slipway.Check] that decide whether a deployment goes on.
package check
