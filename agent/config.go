// Package agent is the first process of a machine: it starts the service, keeps its output, reaps orphans, passes signals on
// and says how the service is. It is mounted into every machine, whatever its image holds, and starts in a few milliseconds:
// it imports nothing that is not needed for that.
package agent

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Where things are in the machine. The host mounts all three there.
const (
	Path       = "/run/slipway/agent"       // the program
	ConfigPath = "/run/slipway/config.json" // a Config, read-only
	StatePath  = "/run/slipway/state"       // a directory that agent and host share
)

// SecretsPath is a directory in memory, where the service finds what it is told in files.
const SecretsPath = "/run/secrets"

// What the agent keeps below [StatePath]. The machine's root can write all of it: the host must not trust it.
const (
	LogName    = "service.log"   // what the service printed last
	OldLogName = "service.log.1" // what it printed before that, once there is more than LogSize
	ExitName   = "exit.json"     // an Exit
	SocketName = "agent.sock"    // answers GET /health with a Health
)

// LogSize is the size in bytes at which a log file is put aside.
const LogSize = 8 << 20

// Config is what the host tells the agent.
type Config struct {
	Command   []string          `json:"command"`
	User      string            `json:"user,omitempty"`      // "uid", "uid:gid", or a name the machine knows; default root
	Env       map[string]string `json:"env,omitempty"`       // all of it: nothing is inherited
	Directory string            `json:"directory,omitempty"` // default /
	Drain     time.Duration     `json:"drain_ns"`            // from SIGTERM until everything is killed
	Stay      bool              `json:"stay,omitempty"`      // the machine does not end with its service, and needs none
	Secrets   map[string]string `json:"secrets,omitempty"`   // files in SecretsPath, by name, for the service's user alone
}

// Exit says how the service ended.
type Exit struct {
	Code   int       `json:"code"`             // its exit status; 128 + n after signal n
	Reason string    `json:"reason,omitempty"` // why it could not even be started
	Time   time.Time `json:"time"`
}

// Health is the agent's answer to GET /health.
type Health struct {
	State  string        `json:"state"` // "running", or "stopping" once SIGTERM has come
	PID    int           `json:"pid"`   // of the service, as the machine counts
	Uptime time.Duration `json:"uptime_ns"`
}

func readConfig(path string) (Config, error) {
	var c Config
	b, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	if len(c.Command) == 0 && !c.Stay {
		return c, fmt.Errorf("%s: no command", path)
	}
	return c, nil
}

// enter makes the process's environment that of the service and returns the program to run.
func (c Config) enter(user user, command []string) (program string, err error) {
	os.Clearenv()
	if user.home != "" {
		os.Setenv("HOME", user.home)
	}
	for name, value := range c.Env {
		if err := os.Setenv(name, value); err != nil {
			return "", fmt.Errorf("cannot set %s: %w", name, err)
		}
	}
	dir := c.Directory
	if dir == "" {
		dir = "/"
	}
	if err := os.Chdir(dir); err != nil {
		return "", fmt.Errorf("cannot enter the service's directory: %w", err)
	}
	return lookPath(command[0])
}

// lookPath finds a program by the service's PATH.
func lookPath(name string) (string, error) {
	if filepath.Base(name) != name {
		return name, nil
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("cannot run %s: no such program in PATH", name)
}
