package slipway

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// ImageDiff is what differs between two images, from the old one to the new. Its lists are sorted, and empty where nothing differs.
type ImageDiff struct {
	Old          DiffSide      `json:"old"`
	New          DiffSide      `json:"new"`
	Layers       []LayerDiff   `json:"layers"`           // all of both: those removed first, then the new image's from the lowest
	Packages     []PackageDiff `json:"packages"`         // by name and architecture
	Files        []FileDiff    `json:"files"`            // by path
	Service      []Change      `json:"service"`          // what the machine runs, and how, and whether that is irreversible
	Environments []Change      `json:"environments"`     // of the slipway.yaml each was baked from, as far as it is known of both
	Config       *ConfigDiff   `json:"config,omitempty"` // of what machines are told where an approval is about; nil of images alone
}

// DiffSide is one of the two images of a diff.
type DiffSide struct {
	Application string `json:"application"`
	Version     string `json:"version,omitempty"`
	Digest      Digest `json:"digest"`
	Size        int64  `json:"size"` // of all layers, bytes
}

// DiffKind says how two things differ.
type DiffKind string

// The kinds of difference.
const (
	DiffAdded   DiffKind = "added"
	DiffRemoved DiffKind = "removed"
	DiffChanged DiffKind = "changed"
	DiffSame    DiffKind = "same" // of layers alone
)

// LayerDiff is a layer of either image, or of both.
type LayerDiff struct {
	Kind   DiffKind `json:"kind"`
	Digest Digest   `json:"digest"`
	Step   string   `json:"step"`
	Size   int64    `json:"size"`
}

// PackageDiff is a package of the machine's package database (dpkg) that is not installed in both images in the same version.
type PackageDiff struct {
	Kind         DiffKind `json:"kind"`
	Name         string   `json:"name"`
	Architecture string   `json:"architecture,omitempty"`
	Old          string   `json:"old,omitempty"` // version
	New          string   `json:"new,omitempty"`
}

// FileDiff is a path that is not the same in both machines: a file, a directory, a link or a special file.
type FileDiff struct {
	Kind DiffKind   `json:"kind"`
	Path string     `json:"path"`
	Old  *FileState `json:"old,omitempty"`
	New  *FileState `json:"new,omitempty"`
	What []string   `json:"what,omitempty"` // of what changed: the aspects that differ, and names of extended attributes
	Text string     `json:"text,omitempty"` // unified diff of a text file, cut short if it is long
}

// The aspects of a file that can differ, besides its extended attributes.
const (
	AspectType    = "type"
	AspectContent = "content"
	AspectTarget  = "target"
	AspectMode    = "mode"
	AspectOwner   = "owner"
	AspectDevice  = "device"
)

// String says what differs: "/etc/motd: content 5 B → 7 B, mode 0644 → 0600".
func (f FileDiff) String() string {
	if f.Kind != DiffChanged {
		return f.Path + ": " + string(f.Kind)
	}
	return f.Path + ": " + f.Changes()
}

// Changes lists what changed, with what it was and is: "content, mode 0644 → 0600". It is empty for what was added or removed.
func (f FileDiff) Changes() string {
	var all []string
	for _, what := range f.What {
		if before, after := f.Old.aspect(what), f.New.aspect(what); before != after {
			what += " " + cmp.Or(before, "none") + " → " + cmp.Or(after, "none")
		}
		all = append(all, what)
	}
	return strings.Join(all, ", ")
}

// FileState is what a machine sees at a path.
type FileState struct {
	Type   string            `json:"type"` // file, directory, symlink, character device, block device, fifo or socket
	Mode   string            `json:"mode"` // permission, setuid, setgid and sticky bits, octal: "0644"
	UID    uint32            `json:"uid"`
	GID    uint32            `json:"gid"`
	Size   int64             `json:"size,omitempty"`   // of a file, bytes
	Target string            `json:"target,omitempty"` // of a symlink
	Device string            `json:"device,omitempty"` // "major:minor"
	Xattrs map[string]string `json:"xattrs,omitempty"` // printable, or in hexadecimal with 0x
}

func (s *FileState) aspect(name string) string {
	switch name {
	case AspectType:
		return s.Type
	case AspectContent:
		return strconv.FormatInt(s.Size, 10) + " B"
	case AspectTarget:
		return s.Target
	case AspectMode:
		return s.Mode
	case AspectOwner:
		return fmt.Sprintf("%d:%d", s.UID, s.GID)
	case AspectDevice:
		return s.Device
	}
	return s.Xattrs[name]
}
