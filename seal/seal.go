// Package seal makes secrets unreadable for all but who has the key file: those that slipwayd needs again in the clear, to verify and to sign
// webhooks with. It implements [slipway.Sealer].
package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/slipway-sh/slipway"
)

const (
	keyBytes = 32
	// form is what sealed text begins with, so that another cipher can follow.
	form = "aes256gcm:"
)

// Box seals with AES-256-GCM. It is safe for concurrent use.
type Box struct {
	path string
	aead cipher.AEAD
}

var _ slipway.Sealer = (*Box)(nil)

// Open reads the key file at path, which is made if it is missing. Unprepared if others can read it, Corrupt if it is no key.
func Open(path string) (*Box, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		key := make([]byte, keyBytes)
		rand.Read(key) // never fails
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, fmt.Errorf("make the key of webhooks: %w", err)
		}
		if err := renameio.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(key)+"\n"), 0o600); err != nil {
			return nil, fmt.Errorf("make the key of webhooks: %w", err)
		}
		info, err = os.Stat(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the key of webhooks: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, slipway.Errorf(slipway.Unprepared, "cannot use the key of webhooks %s: others can read it; chmod 600 it, and rotate the secrets of webhooks if they may have", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the key of webhooks: %w", err)
	}
	key, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(key) != keyBytes {
		return nil, slipway.Errorf(slipway.Corrupt, "cannot read the key of webhooks %s: it is not what was written there; put back a backup of it", path)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &Box{path: path, aead: aead}, err
}

// Seal implements [slipway.Sealer].
func (b *Box) Seal(secret []byte) (string, error) {
	return form + base64.StdEncoding.EncodeToString(b.aead.Seal(nil, nil, secret, nil)), nil
}

// Open implements [slipway.Sealer].
func (b *Box) Open(sealed string) ([]byte, error) {
	text, ok := strings.CutPrefix(sealed, form)
	data, err := base64.StdEncoding.DecodeString(text)
	if ok && err == nil {
		if secret, err := b.aead.Open(nil, nil, data, nil); err == nil {
			return secret, nil
		}
	}
	return nil, slipway.Errorf(slipway.Corrupt, "cannot read a secret of a webhook: it was sealed with another key than %s; put back a backup of that, or rotate the secret", b.path)
}
