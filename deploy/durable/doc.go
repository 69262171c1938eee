// Package durable holds what all of Slipway's Temporal workflows share: the options their activities and workers run with, the
// heartbeats that let a step of a killed slipwayd be taken up quickly, and the way error codes travel through Temporal.
package durable
