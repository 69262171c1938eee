package auth

import "sync"

// remembered bounds what is remembered.
const remembered = 4096

// recent remembers, by hash, what was found good lately, so that who shows it is listened to though another at the same address fails. It
// vouches for nothing: what it has is looked at like all else.
type recent struct {
	mu         sync.Mutex
	young, old map[[32]byte]bool
}

func newRecent() *recent { return &recent{young: map[[32]byte]bool{}, old: map[[32]byte]bool{}} }

func (r *recent) has(key [32]byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.young[key] || r.old[key]
}

func (r *recent) add(key [32]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.young) >= remembered/2 {
		r.young, r.old = map[[32]byte]bool{}, r.young
	}
	r.young[key] = true
}

func (r *recent) remove(key [32]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.young, key)
	delete(r.old, key)
}
