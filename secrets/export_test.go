package secrets

import "testing"

// Place returns where the secrets of a data directory are mounted.
func Place(t *testing.T, data string) string {
	t.Helper()
	dir, err := place(data)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
