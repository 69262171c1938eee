package bake

import (
	"testing"
	"time"
)

// LetGoAfter sets how long what a bake relied on is held after the bake.
func (b *Baker) LetGoAfter(d time.Duration) { b.holds.lingers = d }

// LimitMemory sets how much memory sandboxes may take until the test is over.
func LimitMemory(t *testing.T, bytes int64) {
	t.Helper()
	before := sandboxMemory
	sandboxMemory = func() int64 { return bytes }
	t.Cleanup(func() { sandboxMemory = before })
}
