package bake

import (
	"context"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-sh/slipway/image"
)

const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// sourceDateEpoch is the time that programs which honour it write instead of the current one: useradd into /etc/shadow, for one.
const sourceDateEpochName = "SOURCE_DATE_EPOCH"

var sourceDateEpoch = strconv.Itoa(image.Epoch)

// aptOptions returns the host's apt options that say how to reach archives, in the form of apt.conf. None if there is no apt.
func aptOptions(ctx context.Context) []string {
	text, err := exec.CommandContext(ctx, "apt-config", "dump", "--no-empty").Output()
	if err != nil {
		return nil
	}
	var options []string
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, " ")
		reach := strings.HasPrefix(name, "Acquire::http") || strings.HasPrefix(name, "Acquire::ftp") || strings.HasPrefix(name, "Acquire::socks")
		// The program that would be asked for a proxy is on the host, not in the sandbox.
		if reach && !strings.Contains(strings.ToLower(name), "auto") || slices.Contains(aptReach, name) {
			options = append(options, strings.TrimSpace(line))
		}
	}
	return options
}

var aptReach = []string{
	"Acquire::Check-Valid-Until", "Acquire::Check-Date", "Acquire::Max-ValidTime", "Acquire::Retries", "Acquire::ForceIPv4", "Acquire::ForceIPv6",
}

// proxyEnv returns the variables of this process's environment that name proxies.
func proxyEnv() []string {
	var env []string
	for _, name := range []string{"http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"} {
		for _, n := range []string{name, strings.ToUpper(name)} {
			if v, ok := os.LookupEnv(n); ok {
				env = append(env, n+"="+v)
			}
		}
	}
	return env
}

// isTrace reports whether p, below root on the host, is a file that installing packages leaves behind and that differs from one
// time to the next: logs, caches, lists, backups, the machine's name for itself. Only regular files are: a package or script that
// makes a link or directory of that name means it.
func isTrace(root, p string) bool {
	if !slices.ContainsFunc(traces, func(pattern string) bool {
		ok, err := path.Match(pattern, p)
		return ok && err == nil
	}) {
		return false
	}
	st, err := os.Lstat(filepath.Join(root, p))
	return err == nil && st.Mode().IsRegular()
}

var traces = []string{
	"/etc/.pwd.lock", "/etc/*-", "/etc/machine-id", "/root/.wget-hsts",
	"/var/cache/apt/*", "/var/cache/apt/archives/*", "/var/cache/debconf/*-old", "/var/cache/ldconfig/aux-cache",
	"/var/cache/man/*", "/var/cache/man/*/*",
	"/var/lib/apt/lists/*", "/var/lib/apt/lists/*/*", "/var/lib/dbus/machine-id",
	"/var/lib/dpkg/*-old", "/var/lib/dpkg/lock*", "/var/lib/dpkg/triggers/Lock", "/var/lib/systemd/random-seed",
	"/var/log/alternatives.log", "/var/log/apt/*", "/var/log/bootstrap.log", "/var/log/dpkg.log", "/var/log/fontconfig.log",
}
