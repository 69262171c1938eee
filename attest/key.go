package attest

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/slipway-sh/slipway"
)

// Key is an ed25519 key to sign with.
type Key struct {
	private ed25519.PrivateKey
	PublicKey
}

// PublicKey is an ed25519 key to verify with.
type PublicKey struct {
	key ed25519.PublicKey
	id  string
	pem string
}

// ID returns the SHA-256 of the key's PKIX form, hexadecimal.
func (k PublicKey) ID() string { return k.id }

// PEM returns the key as `openssl pkey -pubin` reads it.
func (k PublicKey) PEM() string { return k.pem }

// Sign returns the key's signature of a message. What is signed says what it is, so that no signature can be taken for one of something else.
func (k *Key) Sign(message []byte) []byte { return ed25519.Sign(k.private, message) }

const (
	privateBlock = "PRIVATE KEY"
	publicBlock  = "PUBLIC KEY"
)

// ReadKey reads a private key in PKCS#8 PEM, as `openssl genpkey -algorithm ed25519` writes it. Invalid if it is none.
func ReadKey(path string) (*Key, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, slipway.Errorf(slipway.NotFound, "cannot find the signing key %s", path)
	}
	if err != nil {
		return nil, slipway.Errorf(slipway.Invalid, "cannot read the signing key: %w", err)
	}
	bad := slipway.Errorf(slipway.Invalid,
		"cannot use %s as a signing key: want an ed25519 key in PKCS#8 PEM, as `openssl genpkey -algorithm ed25519` makes one", path)
	block, _ := pem.Decode(text)
	if block == nil || block.Type != privateBlock {
		return nil, bad
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, bad
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, bad
	}
	return newKey(private)
}

func newKey(private ed25519.PrivateKey) (*Key, error) {
	public, err := newPublicKey(private.Public().(ed25519.PublicKey))
	return &Key{private, public}, err
}

// ReadPublicKey reads a public key in PEM. Invalid if it is none.
func ReadPublicKey(path string) (PublicKey, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return PublicKey{}, slipway.Errorf(slipway.NotFound, "cannot find the public key %s", path)
	}
	if err != nil {
		return PublicKey{}, slipway.Errorf(slipway.Invalid, "cannot read the public key: %w", err)
	}
	bad := slipway.Errorf(slipway.Invalid, "cannot use %s as a public key: want an ed25519 public key in PEM", path)
	block, _ := pem.Decode(text)
	if block == nil || block.Type != publicBlock {
		return PublicKey{}, bad
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return PublicKey{}, bad
	}
	public, ok := key.(ed25519.PublicKey)
	if !ok {
		return PublicKey{}, bad
	}
	return newPublicKey(public)
}

func newPublicKey(key ed25519.PublicKey) (PublicKey, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return PublicKey{}, fmt.Errorf("encode a public key: %w", err)
	}
	sum := sha256.Sum256(der)
	text := pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: der})
	return PublicKey{key, hex.EncodeToString(sum[:]), string(text)}, nil
}

// Keyring is a directory of keys:
//
//	server.pem       what the server signs with, made when it is not there and no other is given; 0600
//	server.pub.pem   its public half
//	trusted/*.pem    public keys whose signatures are trusted, those of earlier signing keys among them
//
// A key that was signed with once stays trusted until its file is removed. Files may be added and removed at any time.
type Keyring struct {
	dir     string
	signing *Key
}

// OpenKeyring opens the directory, makes what is missing, and notes the signing key among those trusted. file, unless it is "", is the
// private key to sign with instead of the server's own.
func OpenKeyring(dir, file string) (*Keyring, error) {
	k := &Keyring{dir: dir}
	if err := os.MkdirAll(filepath.Join(dir, "trusted"), 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of keys: %w", err)
	}
	var err error
	if file != "" {
		k.signing, err = ReadKey(file)
	} else {
		k.signing, err = k.own()
	}
	if err != nil {
		return nil, err
	}
	return k, writeFile(filepath.Join(dir, "trusted", k.signing.ID()[:16]+".pem"), []byte(k.signing.PEM()), 0o644)
}

// own returns the server's own key, and makes it if there is none.
func (k *Keyring) own() (*Key, error) {
	path := filepath.Join(k.dir, "server.pem")
	key, err := ReadKey(path)
	if slipway.CodeOf(err) == slipway.NotFound {
		key, err = makeKey(path)
	}
	if err != nil {
		return nil, err
	}
	return key, writeFile(filepath.Join(k.dir, "server.pub.pem"), []byte(key.PEM()), 0o644)
}

func makeKey(path string) (*Key, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	if err := writeFile(path, pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: der}), 0o600); err != nil {
		return nil, err
	}
	return newKey(private)
}

// Signing returns the key to sign with.
func (k *Keyring) Signing() *Key { return k.signing }

// Trusted returns the keys whose signatures are trusted as they are now, by ID. A file that is no public key is an error: a key that
// somebody believes to be trusted is worth a word.
func (k *Keyring) Trusted() ([]PublicKey, error) {
	files, err := filepath.Glob(filepath.Join(k.dir, "trusted", "*.pem"))
	if err != nil {
		return nil, err
	}
	keys := []PublicKey{k.signing.PublicKey}
	for _, file := range files {
		key, err := ReadPublicKey(file)
		if slipway.CodeOf(err) == slipway.NotFound {
			continue // removed just now
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b PublicKey) int { return strings.Compare(a.id, b.id) })
	return slices.CompactFunc(keys, func(a, b PublicKey) bool { return a.id == b.id }), nil
}

// writeFile replaces a file atomically and durably, unless it says the same already.
func writeFile(path string, text []byte, mode fs.FileMode) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == string(text) {
		return nil
	}
	if err := renameio.WriteFile(path, text, mode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
