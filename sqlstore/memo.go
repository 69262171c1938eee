package sqlstore

import (
	"encoding/json"
	"sync"
)

// memo remembers what texts mean that are read again and again, so that they are decoded once. What it returns is shared: nobody may change it.
type memo[T any] struct {
	mu    sync.Mutex
	known map[string]*T
}

// memoSize is how many texts are remembered; then all are forgotten. It is some megabytes.
const memoSize = 20_000

// decode returns what text means.
func (m *memo[T]) decode(text string) (T, error) {
	m.mu.Lock()
	known, ok := m.known[text]
	m.mu.Unlock()
	if ok {
		return *known, nil
	}
	var meaning T
	if err := json.Unmarshal([]byte(text), &meaning); err != nil {
		return meaning, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known) >= memoSize {
		m.known = map[string]*T{}
	}
	m.known[text] = &meaning
	return meaning, nil
}
