// Package slipway holds Slipway's words: the domain types, their validation, the error codes, and the interfaces that
// adapters implement. It depends on the standard library alone. Adapters live in packages named after their technology
// and never import each other; cmd/slipwayd wires them.
package slipway
