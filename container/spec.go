// Package container runs processes in runc containers: a machine in the background, or a sandbox in the foreground.
package container

import (
	"maps"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Options says what a container is. Only Root and Args are needed.
type Options struct {
	Root     string   // its root filesystem, a mounted directory
	Args     []string // its first process
	Env      map[string]string
	Dir      string // working directory; default /
	UID, GID uint32
	Hostname string

	// NetworkNamespace is the path of the network namespace to join. Without it and without HostNetwork the container has
	// one of its own, with nothing but loopback.
	NetworkNamespace string
	HostNetwork      bool
	Sysctl           map[string]string // network settings; not with HostNetwork

	Mounts       []specs.Mount // on top of /proc, /dev and /sys; see [Bind]
	Capabilities []string      // default: [Capabilities]
	NewPrivs     bool          // set-uid programs may gain privileges (a sandbox that installs packages)

	CPU    float64 // cores; 0: no limit
	Memory int64   // bytes; 0: no limit
	PIDs   int64   // 0: no limit
}

// Capabilities are what root has inside a container unless [Options.Capabilities] says otherwise: enough to change owners,
// become another user and bind low ports, not to touch the host.
var Capabilities = []string{
	"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD", "CAP_NET_BIND_SERVICE",
	"CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
}

// Bind returns a mount of the host's file or directory source at target. Programs in it can be run, devices cannot be opened.
func Bind(source, target string, readOnly bool) specs.Mount {
	options := []string{"rbind", "nosuid", "nodev"}
	if readOnly {
		options = append(options, "ro")
	}
	return specs.Mount{Type: "bind", Source: source, Destination: target, Options: options}
}

// Spec returns the runtime's configuration of a container. The [Runtime] adds its cgroup, and the system calls that its
// capabilities are good for.
func Spec(o Options) *specs.Spec {
	hostname := o.Hostname
	if o.HostNetwork {
		hostname = "" // the host's UTS namespace would be renamed
	}
	return &specs.Spec{
		Version:  "1.0.2", // what Debian 12's runc speaks
		Process:  ProcessSpec(o),
		Root:     &specs.Root{Path: o.Root},
		Hostname: hostname,
		Mounts:   append(systemMounts(), o.Mounts...),
		Linux: &specs.Linux{
			Namespaces:    namespaces(o),
			Resources:     resources(o),
			Sysctl:        o.Sysctl,
			MaskedPaths:   slices.Clone(maskedPaths),
			ReadonlyPaths: slices.Clone(readonlyPaths),
		},
	}
}

// ProcessSpec returns the configuration of a process: the container's first, or one run in it later with [Runtime.Exec].
func ProcessSpec(o Options) *specs.Process {
	capabilities := o.Capabilities
	if capabilities == nil {
		capabilities = Capabilities
	}
	env := make([]string, 0, len(o.Env))
	for _, name := range slices.Sorted(maps.Keys(o.Env)) {
		env = append(env, name+"="+o.Env[name])
	}
	dir := o.Dir
	if dir == "" {
		dir = "/"
	}
	return &specs.Process{
		Args: o.Args,
		Env:  env,
		Cwd:  dir,
		User: specs.User{UID: o.UID, GID: o.GID},
		Capabilities: &specs.LinuxCapabilities{
			Bounding: capabilities, Effective: capabilities, Permitted: capabilities,
		},
		NoNewPrivileges: !o.NewPrivs,
	}
}

func namespaces(o Options) []specs.LinuxNamespace {
	spaces := []specs.LinuxNamespace{{Type: specs.PIDNamespace}, {Type: specs.MountNamespace}, {Type: specs.IPCNamespace}}
	if o.HostNetwork {
		return spaces
	}
	return append(spaces,
		specs.LinuxNamespace{Type: specs.UTSNamespace},
		specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: o.NetworkNamespace})
}

func resources(o Options) *specs.LinuxResources {
	// Without a rule that denies all, cgroup v1 lets every device be opened. The harmless ones are allowed by runc itself.
	r := &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}}
	if o.CPU > 0 {
		period := uint64(100_000)
		quota := max(int64(o.CPU*float64(period)), 1000) // the kernel's least
		r.CPU = &specs.LinuxCPU{Period: &period, Quota: &quota}
	}
	if o.Memory > 0 {
		// No swap on top: a machine over its limit is killed, not slowed down.
		r.Memory = &specs.LinuxMemory{Limit: &o.Memory, Swap: &o.Memory}
	}
	if o.PIDs > 0 {
		r.Pids = &specs.LinuxPids{Limit: o.PIDs}
	}
	return r
}

func systemMounts() []specs.Mount {
	tmpfs := func(target, mode string, options ...string) specs.Mount {
		return specs.Mount{Type: "tmpfs", Source: "tmpfs", Destination: target, Options: append(options, "nosuid", "mode="+mode)}
	}
	return []specs.Mount{
		{Type: "proc", Source: "proc", Destination: "/proc", Options: []string{"nosuid", "noexec", "nodev"}},
		tmpfs("/dev", "755", "strictatime", "size=65536k"),
		{Type: "devpts", Source: "devpts", Destination: "/dev/pts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}},
		tmpfs("/dev/shm", "1777", "noexec", "nodev", "size=65536k"),
		{Type: "sysfs", Source: "sysfs", Destination: "/sys", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
	}
}

var maskedPaths = []string{
	"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
	"/proc/sched_debug", "/proc/scsi", "/sys/firmware",
}

var readonlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
