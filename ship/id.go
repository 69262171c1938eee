package ship

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

// idLength is the number of base32 digits in an ID: 50 bits.
const idLength = 10

// randomID returns a new ID with the prefix.
func randomID(prefix string) string { return prefix + strings.ToLower(rand.Text()[:idLength]) }

// derivedID returns the ID with the prefix that follows from of: the same whenever a workflow is replayed.
func derivedID(prefix, of string) string {
	sum := sha256.Sum256([]byte(of))
	return prefix + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:idLength]
}
