package packer

import (
	"fmt"
	"slices"
	"time"

	"github.com/slipway-sh/slipway/manifest"
)

// defaultTimeout bounds a script for which the template has no timeout. Packer has none; a sandbox that hangs must end.
const defaultTimeout = 2 * time.Hour

// provisioner is what all provisioners have.
type provisioner struct {
	component
	number  int
	retries int
	timeout time.Duration
}

// name is what files made for the provisioner are called: "3-shell".
func (p provisioner) name() string { return fmt.Sprintf("%d-%s", p.number, p.typ) }

// provisioners turn a provisioner into layers.
var provisioners = map[string]func(*translation, provisioner){
	"shell":         (*translation).shell,
	"file":          (*translation).file,
	"ansible-local": (*translation).ansible,
}

// refusedProvisioners are Packer's others, and why they cannot be used.
var refusedProvisioners = map[string]string{
	"shell-local":       "it runs on the host that Packer runs on, and nothing of that becomes part of an image; run it before slipway",
	"breakpoint":        "a bake asks no one; slipway bake --keep-on-failure keeps the sandbox of a script that fails",
	"ansible":           "it reaches a running machine over SSH, and a bake has none; write ansible-local, and install Ansible before",
	"powershell":        windows,
	"windows-shell":     windows,
	"windows-restart":   windows,
	"windows-update":    windows,
	"chef-client":       agentless,
	"chef-solo":         agentless,
	"cnspec":            agentless,
	"converge":          agentless,
	"goss":              "write the goss file in image.tests of slipway.yaml: it is then run on a machine of the image",
	"hcp-sbom":          "every image has an SBOM: slipway image sbom",
	"inspec":            agentless,
	"puppet-masterless": agentless,
	"puppet-server":     agentless,
	"salt-masterless":   agentless,
	"sleep":             "there is no machine to wait for",
	"serverspec":        agentless,
	"testinfra":         agentless,
}

const (
	windows   = "slipway's images are Linux"
	agentless = "slipway does not know it; run the program in a shell provisioner that installs it first"
)

// provision adds the layers of the template's provisioner with this number.
func (t *translation) provision(number int, c component) {
	translate, known := provisioners[c.typ]
	refused, isRefused := refusedProvisioners[c.typ]
	var general struct {
		Only        []text        `packer:"only"`
		Except      []text        `packer:"except"`
		Override    setting       `packer:"override"`
		PauseBefore text          `packer:"pause_before"`
		PauseAfter  text          `packer:"pause_after"`
		MaxRetries  int           `packer:"max_retries"`
		Timeout     time.Duration `packer:"timeout"`
	}
	head, rest := c.split("only", "except", "override", "pause_before", "pause_after", "max_retries", "timeout")
	if !t.into(head, &general, manual{}) {
		return
	}
	if !t.wanted(general.Only, general.Except) {
		return
	}
	switch {
	case isRefused:
		t.problems.add(c.at, "cannot use the %s provisioner: %s", c.typ, refused)
		return
	case !known:
		t.problems.add(c.at, "cannot use the %s provisioner: there is none that slipway knows; %s",
			c.typ, manifest.Suggestion(c.typ, keys(provisioners)))
		return
	case t.File != nil:
		t.note(c.at, "%s has no effect: the file builder runs nothing, as with Packer", c)
		return
	}
	for _, pause := range []text{general.PauseBefore, general.PauseAfter} {
		if pause.given() {
			t.note(pause.at, "a pause of %s has no effect: there is no machine to wait for", c)
		}
	}
	p := provisioner{component: rest, number: number, retries: max(general.MaxRetries, 0), timeout: general.Timeout}
	p.settings = t.overridden(rest.settings, general.Override)
	if p.timeout *= time.Duration(p.retries + 1); p.timeout == 0 {
		p.timeout = defaultTimeout
	}
	before := len(t.layers)
	translate(t, p)
	switch after := len(t.layers); after - before {
	case 0:
	case 1:
		t.steps = append(t.steps, fmt.Sprintf("%s: %s: layer %d", c.at, c.typ, after))
	default:
		t.steps = append(t.steps, fmt.Sprintf("%s: %s: layers %d to %d", c.at, c.typ, before+1, after))
	}
}

// wanted reports whether something with these only and except is for this build. Names of builds that there are none of are
// mistakes: what they are for would never be done.
func (t *translation) wanted(only, except []text) bool {
	for _, name := range slices.Concat(only, except) {
		if !slices.Contains(t.builds, name.string) {
			t.problems.add(name.at, "cannot find the build %q: %s", name.string, manifest.Suggestion(name.string, t.builds))
		}
	}
	isThis := func(n text) bool { return n.string == t.draft.source || n.string == t.draft.path }
	return (len(only) == 0 || slices.ContainsFunc(only, isThis)) && !slices.ContainsFunc(except, isThis)
}

// overridden returns settings with what override says for this build put over them.
func (t *translation) overridden(settings *object, override setting) *object {
	if override.value == nil {
		return settings
	}
	builds, ok := override.value.(*object)
	if !ok {
		t.problems.add(override.at, "cannot use %s here: want an object of builds and their settings", override.kind())
		return settings
	}
	for _, f := range builds.fields {
		if !slices.Contains(t.builds, f.name) {
			t.problems.add(f.at, "cannot find the build %q: %s", f.name, manifest.Suggestion(f.name, t.builds))
		}
	}
	own := builds.get(t.draft.source)
	if own == nil {
		own = builds.get(t.draft.path)
	}
	if own == nil {
		return settings
	}
	o, ok := own.value.(*object)
	if !ok {
		t.problems.add(own.at, "cannot use %s here: want an object of settings", own.kind())
		return settings
	}
	return settings.with(o)
}
