package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/slipway-sh/slipway"
)

// machineRecord is what is on disk of a machine. It is there before anything else of the machine, and goes after everything else.
type machineRecord struct {
	ID            string            `json:"id"`
	Group         string            `json:"group,omitempty"`
	Owner         string            `json:"owner,omitempty"`
	Cluster       slipway.Cluster   `json:"cluster,omitzero"`
	Image         slipway.Digest    `json:"image"`
	Service       slipway.Service   `json:"service"`
	Config        map[string]string `json:"config,omitempty"`
	ConfigVersion int               `json:"config_version,omitempty"`
	Limits        slipway.Limits    `json:"limits,omitzero"`
	Created       time.Time         `json:"created"`
	Expires       time.Time         `json:"expires,omitzero"` // of a throw-away
	Stay          bool              `json:"stay,omitempty"`   // as in slipway.MachineSpec

	Place   int  `json:"place"`             // on the network
	Healthy bool `json:"healthy,omitempty"` // it has been healthy; a later process takes it for healthy at once
	Retired bool `json:"retired,omitempty"` // it is to be stopped and removed, whatever happens

	Taint     *slipway.Taint        `json:"taint,omitempty"`
	Disabled  *slipway.InstanceMark `json:"disabled,omitempty"`
	Protected *slipway.InstanceMark `json:"protected,omitempty"`
}

// groupRecord is what is on disk of a server group.
type groupRecord struct {
	slipway.ServerGroupSpec
	Created    time.Time `json:"created"`
	Replaced   int       `json:"replaced,omitempty"`
	Destroying bool      `json:"destroying,omitempty"`
}

// records keeps them below the provider's directory: groups/<name>.json and machines/<id>/machine.json.
type records struct{ dir string }

func (r records) groupPath(name string) string { return filepath.Join(r.dir, "groups", name+".json") }

func (r records) machineDir(id string) string { return filepath.Join(r.dir, "machines", id) }

func (r records) machinePath(id string) string {
	return filepath.Join(r.machineDir(id), "machine.json")
}

// putGroup stores a group; it is durable when it returns.
func (r records) putGroup(g groupRecord) error {
	b, err := json.Marshal(g)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(r.groupPath(g.Name), b, 0o600); err != nil {
		return err
	}
	// The file is on disk, its name not yet.
	dir, err := os.Open(filepath.Dir(r.groupPath(g.Name)))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// putMachine stores a machine. It is atomic but not synced to disk: no machine outlives a host that lost its memory, and one
// without a record is removed.
func (r records) putMachine(m machineRecord) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	next := r.machinePath(m.ID) + ".next"
	if err := os.WriteFile(next, b, 0o600); err != nil {
		return err
	}
	return os.Rename(next, r.machinePath(m.ID))
}

func (r records) groups() ([]groupRecord, error) {
	entries, err := os.ReadDir(filepath.Join(r.dir, "groups"))
	if err != nil {
		return nil, err
	}
	var groups []groupRecord
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok {
			continue
		}
		var g groupRecord
		b, err := os.ReadFile(r.groupPath(name))
		if err == nil {
			err = json.Unmarshal(b, &g)
		}
		if err != nil || g.Name != name {
			return nil, slipway.Errorf(slipway.Corrupt, "cannot read the record of server group %s at %s: %w", name, r.groupPath(name), err)
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// Recorded returns the server groups and the instances that a provider of dir has on record, whether they run or not; none
// where there never was a provider. It changes nothing.
func Recorded(dir string) ([]slipway.ServerGroup, []slipway.Instance, error) {
	r := records{dir: dir}
	groups, gerr := r.groups()
	machines, _, merr := r.machines()
	for _, err := range []error{gerr, merr} {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
	}
	var instances []slipway.Instance
	of := map[string][]slipway.Instance{}
	for _, m := range machines {
		i := slipway.Instance{ID: m.ID, Group: m.Group, Image: m.Image, Port: m.Service.Port, Started: m.Created}
		instances = append(instances, i)
		of[m.Group] = append(of[m.Group], i)
	}
	var views []slipway.ServerGroup
	for _, g := range groups {
		views = append(views, slipway.ServerGroup{ServerGroupSpec: g.ServerGroupSpec, Created: g.Created, Replaced: g.Replaced, Instances: of[g.Name]})
	}
	return views, instances, nil
}

// machines returns the recorded machines, and the IDs of directories without a record.
func (r records) machines() (machines []machineRecord, unknown []string, err error) {
	entries, err := os.ReadDir(filepath.Join(r.dir, "machines"))
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		var m machineRecord
		b, err := os.ReadFile(r.machinePath(e.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("cannot read the record of machine %s: %w", e.Name(), err)
		}
		if err != nil || json.Unmarshal(b, &m) != nil || m.ID != e.Name() {
			unknown = append(unknown, e.Name())
			continue
		}
		machines = append(machines, m)
	}
	return machines, unknown, nil
}
