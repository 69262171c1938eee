package slipway

import (
	"context"
	"time"
)

// ConfigType says what a value of service configuration is. Whatever it is, the service sees text; the type says which text is accepted.
type ConfigType string

// The types.
const (
	ConfigString   ConfigType = "string"
	ConfigInt      ConfigType = "int"
	ConfigBool     ConfigType = "bool" // true or false
	ConfigDuration ConfigType = "duration"
	ConfigJSON     ConfigType = "json"
	ConfigSecret   ConfigType = "secret" // any text, which is encrypted where it is stored and never shown again
)

// ConfigTypes lists every type.
var ConfigTypes = []ConfigType{ConfigString, ConfigInt, ConfigBool, ConfigDuration, ConfigJSON, ConfigSecret}

// ConfigDelivery says how a value reaches the service.
type ConfigDelivery string

// The ways of delivery.
const (
	DeliverEnv  ConfigDelivery = "env"  // the environment variable KEY has it: what all but secrets are delivered by unless they say otherwise
	DeliverFile ConfigDelivery = "file" // the file /run/secrets/KEY has it, in memory, for the service's user alone; KEY_FILE names the file
)

// ConfigFiles is the directory of a machine, in memory, that has the values that are delivered as files.
const ConfigFiles = "/run/secrets"

// ConfigVersion is the service configuration of a cluster as it was decided at one time. It never changes. It lies on top of the config of
// slipway.yaml, and is given to machines when they are launched: a server group has one version, as long as it lives.
type ConfigVersion struct {
	Cluster Cluster       `json:"cluster"`
	Number  int           `json:"number"`         // from 1 on, without gaps
	Entries []ConfigEntry `json:"entries"`        // by key
	Set     []string      `json:"set"`            // keys that are otherwise than in the version before, or new
	Unset   []string      `json:"unset"`          // keys that the version before had
	Back    int           `json:"back,omitempty"` // it was made by going back to this one
	By      string        `json:"by"`
	Reason  string        `json:"reason,omitempty"`
	Created time.Time     `json:"created"`
}

// ConfigEntry is one key of a version, and what it stands for.
type ConfigEntry struct {
	Key     string         `json:"key"`
	Type    ConfigType     `json:"type"`
	Deliver ConfigDelivery `json:"deliver"`
	Value   string         `json:"value,omitempty"` // of all but secrets
	// Fingerprint is another one for every value that a secret is given, and says nothing of it: it is drawn by lot.
	Fingerprint string `json:"fingerprint,omitempty"`
}

// ConfigSetting is what one key is to be from a change on.
type ConfigSetting struct {
	Key     string         `json:"key"`
	Type    ConfigType     `json:"type,omitempty"`    // default: as it was, else string
	Deliver ConfigDelivery `json:"deliver,omitempty"` // default: as it was, else file for a secret and env for all others
	Value   string         `json:"value"`
}

// ConfigChange makes a new version of a cluster's configuration from the newest one. One that changes nothing makes none.
type ConfigChange struct {
	Cluster Cluster         `json:"-"`
	Set     []ConfigSetting `json:"set,omitempty"`
	Unset   []string        `json:"unset,omitempty"`
	Back    int             `json:"back,omitempty"` // begin with this version instead of the newest
	// IfNewest, if it is not nil, must be the number of the newest version, 0 where there is none. Otherwise it is a Conflict.
	IfNewest *int   `json:"if_newest,omitempty"`
	Reason   string `json:"reason,omitempty"`
	By       string `json:"by,omitempty"`
	Deploy   bool   `json:"deploy,omitempty"`  // and roll it out
	DryRun   bool   `json:"dry_run,omitempty"` // say what it would be, and change nothing
	// Options say how it is rolled out, where that is not as the environment says.
	Options DeployOptions `json:"options,omitzero"`
}

// ConfigOutcome says what has come of a [ConfigChange].
type ConfigOutcome struct {
	Version ConfigVersion `json:"version"` // the newest there is now
	Made    bool          `json:"made"`    // by this change; false if it changed nothing
	// Deployment rolls the version out; nil if that was not asked for, or there is nothing to do: Skipped says why.
	Deployment *Deployment `json:"deployment,omitempty"`
	Skipped    string      `json:"skipped,omitempty"`
	Error      *Error      `json:"error,omitempty"` // why it cannot be rolled out; the version is there all the same
}

// ConfigDiff is how one version differs from another.
type ConfigDiff struct {
	From    int                `json:"from"` // 0: nothing was configured
	To      int                `json:"to"`
	Changes []ConfigDifference `json:"changes"` // by key
}

// ConfigDifference is one key that two versions have otherwise.
type ConfigDifference struct {
	Key  string       `json:"key"`
	Kind DiffKind     `json:"kind"`
	From *ConfigEntry `json:"from,omitempty"`
	To   *ConfigEntry `json:"to,omitempty"`
}

// LaunchValue is one value as a machine is given it. It is never stored, sent or printed: Value has no form in JSON.
type LaunchValue struct {
	Key     string         `json:"key"`
	Deliver ConfigDelivery `json:"deliver"`
	Value   string         `json:"-"`
}

// String tells nothing of the value.
func (v LaunchValue) String() string { return v.Key + "=…" }

// GoString is as String.
func (v LaunchValue) GoString() string { return v.String() }

// LaunchConfig gives machines their configuration at the moment in which they are launched. Methods are safe for concurrent use.
type LaunchConfig interface {
	// LaunchValues returns all values of a version in the clear, by key; none for version 0. NotFound if there is no such version, Unprepared
	// if its secrets cannot be decrypted here. No error has anything of a value in it.
	LaunchValues(ctx context.Context, cluster Cluster, version int) ([]LaunchValue, error)
}

// ConfigStore keeps versions. Methods are safe for concurrent use.
type ConfigStore interface {
	// AddConfig stores a version together with its secrets, sealed. Conflict unless its number is the next one: of two who add the same
	// number at once one gets a Conflict.
	AddConfig(ctx context.Context, v ConfigVersion, sealed []byte) error
	// Config returns a version; the newest for number 0. NotFound if there is none.
	Config(ctx context.Context, cluster Cluster, number int) (ConfigVersion, error)
	// Configs returns versions, newest first; zero fields of the cluster select all. No bound for a limit below 1.
	Configs(ctx context.Context, cluster Cluster, limit int) ([]ConfigVersion, error)
	// SealedConfig returns the secrets of a version as they were stored. NotFound if there is no such version.
	SealedConfig(ctx context.Context, cluster Cluster, number int) ([]byte, error)
	// ResealConfig replaces the sealed secrets of a version by the same ones sealed for another key.
	ResealConfig(ctx context.Context, cluster Cluster, number int, sealed []byte) error
}

// Entry returns the entry of a key, nil if there is none.
func (v ConfigVersion) Entry(key string) *ConfigEntry {
	for i := range v.Entries {
		if v.Entries[i].Key == key {
			return &v.Entries[i]
		}
	}
	return nil
}

// Diff returns how next differs from v. A secret differs if its fingerprint does.
func (v ConfigVersion) Diff(next ConfigVersion) ConfigDiff {
	diff := ConfigDiff{From: v.Number, To: next.Number, Changes: []ConfigDifference{}}
	i, j := 0, 0
	for i < len(v.Entries) || j < len(next.Entries) {
		switch {
		case j == len(next.Entries) || i < len(v.Entries) && v.Entries[i].Key < next.Entries[j].Key:
			diff.Changes = append(diff.Changes, ConfigDifference{Key: v.Entries[i].Key, Kind: DiffRemoved, From: &v.Entries[i]})
			i++
		case i == len(v.Entries) || next.Entries[j].Key < v.Entries[i].Key:
			diff.Changes = append(diff.Changes, ConfigDifference{Key: next.Entries[j].Key, Kind: DiffAdded, To: &next.Entries[j]})
			j++
		default:
			if v.Entries[i] != next.Entries[j] {
				diff.Changes = append(diff.Changes, ConfigDifference{Key: v.Entries[i].Key, Kind: DiffChanged, From: &v.Entries[i], To: &next.Entries[j]})
			}
			i, j = i+1, j+1
		}
	}
	return diff
}

// Configurator changes service configuration and rolls it out. Methods are safe for concurrent use.
type Configurator interface {
	// ChangeConfig makes a new version, and has it rolled out if the change says so. It is atomic: of two changes at once one is made on top
	// of the other. Conflict if the newest version is not the one that IfNewest names.
	ChangeConfig(ctx context.Context, c ConfigChange) (ConfigOutcome, error)
	// Config returns a version; the newest for number 0. NotFound if there is none.
	Config(ctx context.Context, cluster Cluster, number int) (ConfigVersion, error)
	// Configs returns versions, newest first; zero fields of the cluster select all.
	Configs(ctx context.Context, cluster Cluster, limit int) ([]ConfigVersion, error)
}
