package bake

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// The host's own package sources decide where a Debian base and its packages come from: whoever configured a mirror for the
// machine wants it used. Only Debian's own archives are taken over; third-party ones have no suite to offer for another release.

const (
	debianKeyring   = "/usr/share/keyrings/debian-archive-keyring.gpg"
	defaultArchive  = "http://deb.debian.org/debian"
	defaultSecurity = "http://deb.debian.org/debian-security"
)

// source is one archive with its suites, as apt knows it.
type source struct {
	uris, suites, components []string
	signedBy                 string
}

// archives are the host's Debian mirrors.
type archives struct {
	main, security string // URIs; security is empty if the host has a main mirror but none for security
	components     []string
}

// sourcesFor returns the lines of a sources.list for a Debian suite, from the apt configuration in dir (/etc/apt).
func sourcesFor(dir, suite string) (string, error) {
	hosts, err := hostSources(dir)
	if err != nil {
		return "", fmt.Errorf("read the host's package sources: %w", err)
	}
	a := debianArchives(dir, hosts)
	components := a.components
	if suite == "bullseye" || suite == "buster" {
		components = slices.DeleteFunc(slices.Clone(components), func(c string) bool { return c == "non-free-firmware" })
	}
	var b strings.Builder
	line := func(uri, suite string) {
		fmt.Fprintf(&b, "deb [signed-by=%s] %s %s %s\n", debianKeyring, uri, suite, strings.Join(components, " "))
	}
	line(a.main, suite)
	if suite == "sid" || suite == "unstable" || suite == "experimental" {
		return b.String(), nil // they have no updates but themselves
	}
	line(a.main, suite+"-updates")
	if a.security != "" {
		line(a.security, suite+"-security")
	}
	return b.String(), nil
}

// debianArchives finds Debian's archives among sources, or else returns the public ones.
func debianArchives(dir string, sources []source) archives {
	a := archives{}
	components := map[string]bool{}
	for _, s := range sources {
		if s.signedBy != "" && !strings.Contains(s.signedBy, "debian-archive") {
			continue
		}
		for _, uri := range s.uris {
			uri = mirrorOf(dir, uri)
			for _, suite := range s.suites {
				if !isDebian(uri, suite, s.components) {
					continue
				}
				if strings.HasSuffix(suite, "-security") {
					a.security = cmp.Or(a.security, uri)
					continue
				}
				a.main = cmp.Or(a.main, uri)
				for _, c := range s.components {
					components[c] = true
				}
			}
		}
	}
	if a.main == "" {
		return archives{defaultArchive, defaultSecurity, []string{"main"}}
	}
	for _, c := range debianComponents {
		if components[c] {
			a.components = append(a.components, c)
		}
	}
	return a
}

var (
	debianComponents = []string{"main", "contrib", "non-free", "non-free-firmware"}
	suiteName        = regexp.MustCompile(`^[a-z]+(-updates|-security|-backports|-proposed-updates)?$`)
	// debianPath fits the ways Debian's archives are mirrored, and snapshots of them, and not …/linux/debian/dists of others.
	debianPath = regexp.MustCompile(`/debian(-security|-archive)?(/\d{8}T\d{6}Z)?/?$`)
)

func isDebian(uri, suite string, components []string) bool {
	if !strings.HasPrefix(uri, "http://") && !strings.HasPrefix(uri, "https://") {
		return false
	}
	for _, c := range components {
		if !slices.Contains(debianComponents, c) {
			return false
		}
	}
	return slices.Contains(components, "main") && suiteName.MatchString(suite) && debianPath.MatchString(uri)
}

// mirrorOf resolves the mirror lists of Debian's cloud images (mirror+file:/etc/apt/mirrors/debian.list) to their first mirror.
func mirrorOf(dir, uri string) string {
	name, ok := strings.CutPrefix(uri, "mirror+file:")
	if !ok {
		return uri
	}
	text, err := os.ReadFile(filepath.Join(dir, strings.TrimPrefix(path.Clean(name), "/etc/apt")))
	if err != nil {
		return uri
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 0 && !strings.HasPrefix(f[0], "#") {
			return f[0]
		}
	}
	return uri
}

// hostSources reads sources.list and sources.list.d as apt does, in apt's order.
func hostSources(dir string) ([]source, error) {
	var all []source
	names := []string{filepath.Join(dir, "sources.list")}
	entries, err := os.ReadDir(filepath.Join(dir, "sources.list.d"))
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	for _, e := range entries {
		names = append(names, filepath.Join(dir, "sources.list.d", e.Name()))
	}
	for _, name := range names {
		parse := map[string]func([]byte) []source{".list": parseList, ".sources": parseStanzas}[filepath.Ext(name)]
		if parse == nil {
			continue
		}
		text, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, parse(text)...)
	}
	return all, nil
}

// parseList reads the one-line form: deb [option=value …] uri suite component…
func parseList(text []byte) []source {
	var all []source
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		line, _, _ := strings.Cut(lines.Text(), "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb")
		if !ok || rest == "" || !strings.ContainsAny(rest[:1], " \t") {
			continue
		}
		var s source
		rest = strings.TrimSpace(rest)
		if options, after, ok := strings.Cut(rest, "]"); ok && strings.HasPrefix(options, "[") {
			for _, o := range strings.Fields(options[1:]) {
				if v, ok := strings.CutPrefix(o, "signed-by="); ok {
					s.signedBy = v
				}
			}
			rest = after
		}
		if f := strings.Fields(rest); len(f) >= 3 {
			s.uris, s.suites, s.components = f[:1], f[1:2], f[2:]
			all = append(all, s)
		}
	}
	return all
}

// parseStanzas reads the deb822 form.
func parseStanzas(text []byte) []source {
	var all []source
	fields, last := map[string]string{}, ""
	flush := func() {
		if slices.Contains(strings.Fields(fields["types"]), "deb") && !slices.Contains([]string{"no", "false", "0"}, strings.TrimSpace(fields["enabled"])) {
			all = append(all, source{
				uris: strings.Fields(fields["uris"]), suites: strings.Fields(fields["suites"]),
				components: strings.Fields(fields["components"]), signedBy: fields["signed-by"],
			})
		}
		fields, last = map[string]string{}, ""
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			flush()
		case line[0] == ' ' || line[0] == '\t':
			fields[last] += "\n" + strings.TrimSpace(line)
		default:
			name, value, _ := strings.Cut(line, ":")
			last = strings.ToLower(strings.TrimSpace(name))
			fields[last] = strings.TrimSpace(value)
		}
	}
	flush()
	return all
}
