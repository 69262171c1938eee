package slipway

import "time"

// Spec is the content of an application's slipway.yaml: what to bake and where it runs. [Spec.Validate] says what is wrong with one.
type Spec struct {
	Application  string                 `json:"application"`
	Image        ImageSpec              `json:"image"`
	Environments map[string]Environment `json:"environments,omitempty"`
	Pipeline     []Stage                `json:"pipeline,omitempty"`  // short form of pipelines.default
	Pipelines    map[string]Pipeline    `json:"pipelines,omitempty"` // by name
	Retention    *Retention             `json:"retention,omitempty"` // nil: the application's images are never removed by themselves
}

// Retention says which images of an application are kept. One that a server group runs or may be rolled back to, a channel names, or
// another image is built on is kept in any case.
type Retention struct {
	Keep int `json:"keep,omitempty"` // at least the newest so many that are ready; default 10
	Days int `json:"days,omitempty"` // and all younger than this; default 30
}

// ImageSpec says how to bake an image.
type ImageSpec struct {
	From    string  `json:"from"` // scratch | debian:<suite> | rootfs:<file.tar[.gz]> | oci:<ref> | image:<application>[@<digest|channel|version>]
	Layers  []Layer `json:"layers,omitempty"`
	Service Service `json:"service,omitzero"` // without a command the image is a base: others build on it, nothing runs it
	Tests   []Test  `json:"tests,omitempty"`
	// Irreversible says that running the image changes something that going back to an earlier image does not change back, such as a database's
	// schema. A deployment of it that fails is not rolled back by itself: the cluster is frozen, and a person decides.
	Irreversible bool `json:"irreversible,omitempty"`
}

// Layer is one step of a bake and one blob of the image. Exactly one field is set.
type Layer struct {
	Copy     *CopyLayer     `json:"copy,omitempty"`
	Packages []string       `json:"packages,omitempty"`
	Run      *RunLayer      `json:"run,omitempty"`
	Template *TemplateLayer `json:"template,omitempty"`
}

// CopyLayer puts a file, a directory or an unpacked archive of the build context into the image.
type CopyLayer struct {
	From   string `json:"from"`             // path in the build context
	To     string `json:"to"`               // absolute path in the image; with a trailing slash a file goes into that directory
	Unpack bool   `json:"unpack,omitempty"` // From is a tar, tar.gz or zip archive whose entries go below To
	Owner  string `json:"owner,omitempty"`  // "uid:gid", numeric; default "0:0"
	Mode   string `json:"mode,omitempty"`   // octal, for files; directories get the x bits too; default: as in the context or the archive
}

// RunLayer runs a script in a sandbox on top of the layers before it; what it changed becomes the layer.
type RunLayer struct {
	Script  string            `json:"script"`           // path in the build context
	Inputs  []string          `json:"inputs,omitempty"` // globs in the build context, shown to the script read-only at /context, its working directory
	Env     map[string]string `json:"env,omitempty"`
	Network bool              `json:"network,omitempty"` // the host's network; without it only loopback
	Secrets []string          `json:"secrets,omitempty"` // names; the values are files in /run/secrets while the script runs, and nowhere else
	Timeout Duration          `json:"timeout,omitempty"` // default 10m
}

// TemplateLayer renders a Go text/template of the build context at bake time. Its data are .Application and .Values.
type TemplateLayer struct {
	From   string            `json:"from"`
	To     string            `json:"to"`
	Values map[string]string `json:"values,omitempty"`
	Owner  string            `json:"owner,omitempty"`
	Mode   string            `json:"mode,omitempty"` // default 0644
}

// Service says what the machine runs.
type Service struct {
	Command   []string          `json:"command"`
	User      string            `json:"user,omitempty"` // "uid", "uid:gid" or a name in the image's /etc/passwd; default root
	Env       map[string]string `json:"env,omitempty"`
	Directory string            `json:"directory,omitempty"` // working directory; default /
	Port      int               `json:"port,omitempty"`      // 0: a worker that serves nothing
	Health    Health            `json:"health,omitzero"`
	// State are directories that may be written to. Writing to the root elsewhere taints a machine; /run, /tmp and /var/tmp may always be written
	// to. All of it goes with the machine.
	State []string `json:"state,omitempty"`
	Drain Duration `json:"drain,omitempty"` // from SIGTERM to SIGKILL, and for open requests; default 10s, at most MaxDrain
}

// MaxDrain is the longest drain a service may ask for: a deployment waits for it, and so does who aborts one.
const MaxDrain = time.Hour

// Health says how to see that the service of a machine works.
type Health struct {
	HTTP     string   `json:"http,omitempty"`     // path that answers 2xx or 3xx; without it a TCP connection to the port, without a port a live process
	Interval Duration `json:"interval,omitempty"` // default 1s; while starting it is asked every few milliseconds
	Timeout  Duration `json:"timeout,omitempty"`  // for one answer; default 2s
	Failures int      `json:"failures,omitempty"` // failures in a row that make a healthy machine unhealthy; default 2
}

// Test is run against a real machine booted from the image, from the host's side of its network (http, tcp) or
// inside it (all others). The same form serves as smoke check of a deployment, but for goss and script, which need the build
// context. Exactly one field is set.
type Test struct {
	HTTP    *HTTPTest    `json:"http,omitempty"`
	TCP     *TCPTest     `json:"tcp,omitempty"`
	Command *CommandTest `json:"command,omitempty"`
	File    *FileTest    `json:"file,omitempty"`
	Package *PackageTest `json:"package,omitempty"`
	User    *UserTest    `json:"user,omitempty"`
	Goss    string       `json:"goss,omitempty"` // a goss file of the build context, run by root
	Script  *ScriptTest  `json:"script,omitempty"`
}

// FileTest looks at a file, a directory or a link, which it does not follow.
type FileTest struct {
	Path     string `json:"path"`
	Absent   bool   `json:"absent,omitempty"`   // it must not be there
	Type     string `json:"type,omitempty"`     // file | directory | symlink
	Mode     string `json:"mode,omitempty"`     // octal
	Owner    string `json:"owner,omitempty"`    // "uid:gid", numeric
	Target   string `json:"target,omitempty"`   // of a symbolic link
	Contains string `json:"contains,omitempty"` // of a file
	SHA256   string `json:"sha256,omitempty"`   // of a file's content, hexadecimal
}

// PackageTest looks into the machine's package database (dpkg).
type PackageTest struct {
	Name    string `json:"name"`
	Absent  bool   `json:"absent,omitempty"`  // it must not be installed
	Version string `json:"version,omitempty"` // exact
}

// UserTest looks into the machine's /etc/passwd and /etc/group.
type UserTest struct {
	Name   string   `json:"name"`
	Absent bool     `json:"absent,omitempty"` // there must be no such user
	UID    *int     `json:"uid,omitempty"`
	Groups []string `json:"groups,omitempty"` // the user is in each of them
	Home   string   `json:"home,omitempty"`
	Shell  string   `json:"shell,omitempty"`
}

// ScriptTest carries a directory of the build context into the machine and runs a program of it there, with that directory as its
// working directory. Exit status 0 passes. The directory is gone afterwards.
type ScriptTest struct {
	Directory string            `json:"directory"`
	Run       []string          `json:"run"` // the first word is a path in the directory, or a program of the machine if absolute
	Env       map[string]string `json:"env,omitempty"`
	User      string            `json:"user,omitempty"`    // as Service.User; default root
	Timeout   Duration          `json:"timeout,omitempty"` // default 5m
}

// HTTPTest asks the service once it is healthy.
type HTTPTest struct {
	Path     string   `json:"path"`
	Port     int      `json:"port,omitempty"`   // default: the service's
	Status   int      `json:"status,omitempty"` // default 200
	Contains string   `json:"contains,omitempty"`
	Timeout  Duration `json:"timeout,omitempty"` // default 5s
}

// TCPTest connects.
type TCPTest struct {
	Port    int      `json:"port,omitempty"`    // default: the service's
	Timeout Duration `json:"timeout,omitempty"` // default 5s
}

// CommandTest runs a command inside the machine as the service's user.
type CommandTest struct {
	Run      []string `json:"run"`
	Exit     int      `json:"exit,omitempty"` // the expected exit status
	Contains string   `json:"contains,omitempty"`
	Timeout  Duration `json:"timeout,omitempty"` // default 10s
}
