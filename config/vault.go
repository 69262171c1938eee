package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"filippo.io/age"
	"github.com/google/renameio/v2"

	"github.com/slipway-sh/slipway"
)

// Vault seals secrets, and opens what it has sealed. Its key is an identity file of age's: the first identity in it seals, and each of them
// opens. Methods are safe for concurrent use.
type Vault struct {
	path string

	mu         sync.Mutex
	identities []*age.X25519Identity
}

// OpenVault reads the identity file at path. One that is missing is made when something is sealed first. Unprepared if others can read
// it, Corrupt if it is no identity file.
func OpenVault(path string) (*Vault, error) {
	v := &Vault{path: path}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return v, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the key of secrets: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, slipway.Errorf(slipway.Unprepared, "cannot use the key of secrets %s: others can read it; chmod 600 it, and rotate it if they may have", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the key of secrets: %w", err)
	}
	v.identities, err = parse(b)
	if err != nil {
		return nil, slipway.Errorf(slipway.Corrupt, "cannot read the key of secrets %s: it is no identity file of age's; put back a backup of it", path)
	}
	return v, nil
}

// parse returns the identities of a file, of which there must be one at least. What is wrong with it is not told: it is secret.
func parse(b []byte) ([]*age.X25519Identity, error) {
	all, err := age.ParseIdentities(bytes.NewReader(b))
	if err != nil {
		return nil, errors.New("no identities")
	}
	identities := make([]*age.X25519Identity, len(all))
	for i, one := range all {
		x, ok := one.(*age.X25519Identity)
		if !ok {
			return nil, errors.New("another kind of identity")
		}
		identities[i] = x
	}
	return identities, nil
}

// HasKey reports whether there is a key.
func (v *Vault) HasKey() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.identities) > 0
}

// Recipient returns the public half of the key that seals, "" if there is none yet.
func (v *Vault) Recipient() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.identities) == 0 {
		return ""
	}
	return v.identities[0].Recipient().String()
}

// Seal encrypts values; none are nothing. It makes the key if there is none, unless fresh is false, which is Unprepared.
func (v *Vault) Seal(values map[string]string, fresh bool) ([]byte, error) {
	if len(values) == 0 {
		return nil, nil
	}
	recipient, err := v.recipient(fresh)
	if err != nil {
		return nil, err
	}
	plain, err := json.Marshal(values)
	if err != nil {
		return nil, errors.New("cannot encode secrets")
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, recipient)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("seal secrets: %w", err)
	}
	return sealed.Bytes(), nil
}

// Open decrypts what was sealed. Unprepared if no identity fits, Corrupt if it is damaged.
func (v *Vault) Open(sealed []byte) (map[string]string, error) {
	values := map[string]string{}
	if len(sealed) == 0 {
		return values, nil
	}
	v.mu.Lock()
	identities := make([]age.Identity, len(v.identities))
	for i := range v.identities {
		identities[i] = v.identities[i]
	}
	v.mu.Unlock()
	if len(identities) == 0 {
		return nil, v.missing()
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), identities...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, slipway.Errorf(slipway.Unprepared, "cannot decrypt secrets: they were encrypted for another key than %s; put back a backup of it", v.path)
	}
	var plain []byte
	if err == nil {
		plain, err = io.ReadAll(r)
	}
	if err != nil || json.Unmarshal(plain, &values) != nil {
		return nil, slipway.Errorf(slipway.Corrupt, "cannot decrypt secrets: they are damaged in the store; put back a backup of it")
	}
	return values, nil
}

func (v *Vault) missing() error {
	return slipway.Errorf(slipway.Unprepared, "cannot decrypt secrets: %s, the key that they are encrypted for, is missing; put back a backup of it", v.path)
}

func (v *Vault) recipient(fresh bool) (*age.X25519Recipient, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.identities) == 0 {
		if !fresh {
			return nil, v.missing()
		}
		identity, err := age.GenerateX25519Identity()
		if err != nil {
			return nil, err
		}
		if err := v.store(identity); err != nil {
			return nil, err
		}
	}
	return v.identities[0].Recipient(), nil
}

// store makes these the identities, on disk first. mu must be held.
func (v *Vault) store(identities ...*age.X25519Identity) error {
	var file strings.Builder
	fmt.Fprintf(&file, "# Secrets of service configuration are encrypted for the first of these. Back it up, apart from the database.\n# written: %s\n",
		time.Now().UTC().Format(time.RFC3339))
	for _, identity := range identities {
		fmt.Fprintf(&file, "# public key: %s\n%s\n", identity.Recipient(), identity)
	}
	if err := os.MkdirAll(filepath.Dir(v.path), 0o700); err != nil {
		return fmt.Errorf("store the key of secrets: %w", err)
	}
	if err := renameio.WriteFile(v.path, []byte(file.String()), 0o600); err != nil {
		return fmt.Errorf("store the key of secrets: %w", err)
	}
	dir, err := os.Open(filepath.Dir(v.path))
	if err == nil {
		err = errors.Join(dir.Sync(), dir.Close()) // the file's name is on disk before anything is sealed for it
	}
	if err != nil {
		return fmt.Errorf("store the key of secrets: %w", err)
	}
	v.identities = identities
	return nil
}
