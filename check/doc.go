// Package check finds out whether machines do what they should: it waits for their health, and runs a [slipway.Test] against one.
package check
