package registry

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/renameio/v2"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
)

// whereabouts notes in which repository of a registry a blob is, so that the registry can be asked to share it with another repository
// instead of being sent it once more. It is a help and no more: what it says may be long untrue, and a note that cannot be read is empty.
type whereabouts struct {
	file   string
	images *image.Store
	mu     sync.Mutex
}

// noted maps registries to blobs to repositories.
type noted map[string]map[slipway.Digest]string

// elsewhere returns another repository of the same registry that has the blob.
func (w *whereabouts) elsewhere(repo name.Repository, d slipway.Digest) (name.Repository, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	other := w.read()[repo.RegistryStr()][d]
	if other == "" || other == repo.RepositoryStr() {
		return name.Repository{}, false
	}
	return repo.Registry.Repo(other), true
}

// remember notes that the repository has the parts. Blobs that are not here any more are forgotten.
func (w *whereabouts) remember(repo name.Repository, parts []part) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.read()
	for _, blobs := range all {
		for d := range blobs {
			if _, err := os.Stat(w.images.BlobPath(d)); err != nil {
				delete(blobs, d)
			}
		}
	}
	host := repo.RegistryStr()
	if all[host] == nil {
		all[host] = map[slipway.Digest]string{}
	}
	for _, p := range parts {
		all[host][p.digest] = repo.RepositoryStr()
	}
	text, err := json.Marshal(all)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(w.file), 0o700)
	}
	if err == nil {
		err = renameio.WriteFile(w.file, text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("note what a registry has: %w", err)
	}
	return nil
}

func (w *whereabouts) read() noted {
	all := noted{}
	text, err := os.ReadFile(w.file)
	if err != nil || json.Unmarshal(text, &all) != nil {
		return noted{}
	}
	for _, blobs := range all {
		for d := range blobs {
			if d.Validate() != nil {
				delete(blobs, d)
			}
		}
	}
	return all
}
