package bake

import "time"

// LetGoAfter sets how long what a bake relied on is held after the bake.
func (b *Baker) LetGoAfter(d time.Duration) { b.holds.lingers = d }
