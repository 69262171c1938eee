// Package ship implements [slipway.Operator]: it accepts work, starts it as durable workflows, and carries out those that are not
// deployments (package deploy does these): bakes, and executions, which are a bake and then deployments one after the other.
package ship
