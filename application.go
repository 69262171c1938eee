package slipway

import "time"

// Spec is the content of an application's slipway.yaml: what to bake and where it runs. [Spec.Validate] says what is wrong with one.
type Spec struct {
	Application  string                 `json:"application"`
	Image        ImageSpec              `json:"image"`
	Environments map[string]Environment `json:"environments,omitempty"`
}

// ImageSpec says how to bake an image.
type ImageSpec struct {
	From    string  `json:"from"` // scratch | debian:<suite> | rootfs:<file.tar[.gz]>
	Layers  []Layer `json:"layers,omitempty"`
	Service Service `json:"service"`
	Tests   []Test  `json:"tests,omitempty"`
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
	Drain     Duration          `json:"drain,omitempty"` // from SIGTERM to SIGKILL, and for open requests; default 10s, at most MaxDrain
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
// inside it (command). The same form serves as smoke check of a deployment. Exactly one field is set.
type Test struct {
	HTTP    *HTTPTest    `json:"http,omitempty"`
	TCP     *TCPTest     `json:"tcp,omitempty"`
	Command *CommandTest `json:"command,omitempty"`
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
