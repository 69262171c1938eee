package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/agent"
	"github.com/slipway-sh/slipway/secrets"
)

// settings are what machines are told when they are launched, secrets among it. They are kept in memory, apart from the provider's
// directory, which is on a disk: a directory a machine, in a tmpfs that is there while there are machines. It outlives the process, as
// machines do.
type settings struct {
	dir string

	mu sync.Mutex
}

// settingsSize bounds what all machines together are told, bytes.
const settingsSize = 256 << 20

const (
	settingsName = "config.json" // an agent.Config
	secretsName  = "secrets"     // the machine's agent.SecretsPath
)

// newSettings returns those of a provider's directory.
func newSettings(dir string) *settings {
	sum := sha256.Sum256([]byte(dir))
	return &settings{dir: filepath.Join("/run/slipway", "machines-"+hex.EncodeToString(sum[:5]))}
}

// put makes the directory of a machine with what its agent is told, and returns its path.
func (s *settings) put(id string, config agent.Config) (string, error) {
	content, err := json.Marshal(config)
	if err != nil {
		return "", errors.New("cannot encode a machine's settings") // and not what is wrong with which of them
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := secrets.MountOnce(s.dir, settingsSize); err != nil {
		return "", err
	}
	dir := filepath.Join(s.dir, id)
	if err := os.MkdirAll(filepath.Join(dir, secretsName), 0o755); err != nil {
		return "", fmt.Errorf("keep a machine's settings: %w", err)
	}
	if err := os.Chmod(filepath.Join(dir, secretsName), 0o755); err != nil { // whatever the umask: the service's user looks into it
		return "", fmt.Errorf("keep a machine's settings: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, settingsName), content, 0o600); err != nil {
		return "", fmt.Errorf("keep a machine's settings: %w", err)
	}
	return dir, nil
}

// drop forgets those of a machine, and takes the tmpfs away with the last of them; nil if there are none.
func (s *settings) drop(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.RemoveAll(filepath.Join(s.dir, id)); err != nil {
		return fmt.Errorf("forget a machine's settings: %w", err)
	}
	left, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(left) > 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("forget a machine's settings: %w", err)
	}
	return secrets.Unmount(s.dir)
}

// sweep forgets what is there of no known machine.
func (s *settings) sweep(known map[string]bool) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for machines' settings: %w", err)
	}
	for _, e := range entries {
		if !known[e.Name()] {
			if err := s.drop(e.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

// values returns the values of a version of the service configuration.
func (p *Provider) values(ctx context.Context, cluster slipway.Cluster, version int) ([]slipway.LaunchValue, error) {
	if version == 0 {
		return nil, nil
	}
	if p.Settings == nil {
		return nil, slipway.Errorf(slipway.Unprepared, "cannot launch machines of %s with version %d of its configuration: there is no configuration here", cluster, version)
	}
	return p.Settings.LaunchValues(ctx, cluster, version)
}

// told is what the machine's agent is told: the service, and its environment and files, in which what was configured is above what
// slipway.yaml says, and that above what was baked. A key has the one place that was decided last.
func (m *machine) told(values []slipway.LaunchValue) agent.Config {
	config := agent.Config{
		Command: m.Service.Command, User: m.Service.User, Env: m.base(), Directory: m.Service.Directory, Drain: m.drain(), Stay: m.Stay,
	}
	for _, v := range values {
		delete(config.Env, v.Key)
		if v.Deliver == slipway.DeliverEnv {
			config.Env[v.Key] = v.Value
			continue
		}
		if config.Secrets == nil {
			config.Secrets = map[string]string{}
		}
		config.Secrets[v.Key] = v.Value
		config.Env[v.Key+"_FILE"] = filepath.Join(agent.SecretsPath, v.Key)
	}
	maps.Copy(config.Env, m.facts())
	return config
}
