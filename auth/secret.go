package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"hash/crc32"
	"strings"
)

// A secret is a prefix, 32 random letters and a checksum of them, so that whoever scans for leaked secrets finds it and is certain of it:
// "slp_" + 32 + 6 of 0-9A-Za-z. 32 of 62 letters are 190 bits, which nobody guesses: a plain hash is enough to store.
const (
	// TokenPrefix begins the secret of a token, and sessionPrefix what a browser shows.
	TokenPrefix   = "slp_"
	sessionPrefix = "sls_"

	randomLetters   = 32
	checksumLetters = 6
	alphabet        = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// newSecret makes a secret that nobody has seen yet.
func newSecret(prefix string) string {
	random := make([]byte, 0, randomLetters)
	var some [64]byte
	for len(random) < randomLetters {
		_, _ = rand.Read(some[:]) // it never fails
		for _, b := range some {
			// The letters of a byte would not be equally likely, unless what is beyond the last multiple of 62 is left out.
			if int(b) < len(alphabet)*4 && len(random) < randomLetters {
				random = append(random, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return prefix + string(random) + checksum(string(random))
}

// parseSecret reports whether text has the form of a secret, checksum included. It is quick, and asks no store.
func parseSecret(prefix, text string) bool {
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok || len(rest) != randomLetters+checksumLetters {
		return false
	}
	if strings.ContainsFunc(rest, func(r rune) bool { return !strings.ContainsRune(alphabet, r) }) {
		return false
	}
	return checksum(rest[:randomLetters]) == rest[randomLetters:]
}

// checksum returns the CRC-32 of text in 6 letters, the most significant first.
func checksum(text string) string {
	n := crc32.ChecksumIEEE([]byte(text))
	var out [checksumLetters]byte
	for i := range out {
		out[checksumLetters-1-i] = alphabet[n%uint32(len(alphabet))]
		n /= uint32(len(alphabet))
	}
	return string(out[:])
}

// hashOf returns what is stored of a secret: its SHA-256.
func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
