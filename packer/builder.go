package packer

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/slipway-sh/slipway/manifest"
)

// builders turn what a builder starts from into what an image starts from.
var builders = map[string]func(*translation){
	"docker": (*translation).docker,
	"lxc":    (*translation).lxc,
	"lxd":    (*translation).lxd,
	"file":   (*translation).fileBuilder,
}

// machineBuilders are Packer's others. They start a machine from an image that is not slipway's; with Options.From their
// provisioners are run on something that is.
var machineBuilders = []string{
	"alicloud-ecs", "amazon-chroot", "amazon-ebs", "amazon-ebssurrogate", "amazon-ebsvolume", "amazon-instance", "arm", "azure-arm",
	"azure-chroot", "azure-dtl", "cloudstack", "digitalocean", "googlecompute", "hcloud", "hetzner-cloud", "hyperone", "hyperv-iso",
	"hyperv-vmcx", "hyperv-vmx", "incus", "jdcloud", "libvirt", "linode", "ncloud", "null", "oneandone", "openstack", "oracle-classic",
	"oracle-oci", "osc-bsu", "outscale-bsu", "parallels-iso", "parallels-ipsw", "parallels-macvm", "parallels-pvm", "podman", "profitbricks",
	"proxmox", "proxmox-clone", "proxmox-iso", "qemu", "scaleway", "tart-cli", "tencentcloud-cvm", "triton", "ucloud-uhost", "upcloud",
	"utm-iso", "vagrant", "virtualbox-iso", "virtualbox-ovf", "virtualbox-vm", "vmware-iso", "vmware-vmx", "vsphere-clone", "vsphere-iso",
	"vultr", "yandex",
}

// known are the names of all builders.
func known() []string {
	all := slices.Clone(machineBuilders)
	for name := range builders {
		all = append(all, name)
	}
	return all
}

// start sets what the image starts from.
func (t *translation) start() {
	c := t.draft.builder
	begin, hasEqual := builders[c.typ]
	isMachine := slices.Contains(machineBuilders, c.typ)
	switch {
	case hasEqual:
		begin(t)
	case isMachine && t.Options.From != "":
		t.home = "/root"
		t.note(c.at, "the settings of %s have no effect: the image starts from %s", c, t.Options.From)
	case c.typ == "null":
		t.problems.add(c.at, "cannot bake a build of the null builder: it has nothing to start from; "+
			"add --from debian:bookworm, say, to run its provisioners on that")
	case isMachine:
		t.problems.add(c.at, "cannot bake a build of the %s builder: it starts from an image of machines that are not slipway's; "+
			"add --from debian:bookworm, say, to run its provisioners on that", c.typ)
	default:
		guess := manifest.Suggestion(c.typ, known())
		if len(guess) > 100 { // all of them
			guess = "want one of docker, file, lxc, lxd, or another of Packer's with --from"
		}
		t.problems.add(c.at, "cannot use the builder %q: there is none of this name; %s", c.typ, guess)
	}
	if t.Options.From != "" && t.File == nil {
		t.image.From = t.Options.From
	}
	if file, ok := strings.CutPrefix(t.Options.From, "rootfs:"); ok && t.File == nil {
		name := path.Join(contextRoot, "base", fileName(file))
		t.bring(text{file, c.at}, name)
		t.image.From = "rootfs:" + name
	}
}

// debianImage matches names of the official images of Debian that have nothing but Debian in them.
var debianImage = regexp.MustCompile(`^(?:docker\.io/)?(?:library/)?debian(?::([a-z]+|[0-9]+)(?:-slim)?)?$`)

// debianSuites are the suites by the numbers of Debian's releases.
var debianSuites = map[string]string{
	"10": "buster", "11": "bullseye", "12": "bookworm", "13": "trixie", "14": "forky", "latest": "stable", "": "stable",
}

// notSuites are tags of Debian's images that name no suite.
var notSuites = []string{"experimental", "rc-buggy", "slim"}

// fromImage returns what an image starts from whose builder names a registry's image: Debian itself for Debian's own.
func fromImage(ref string) string {
	if m := debianImage.FindStringSubmatch(ref); m != nil && !slices.Contains(notSuites, m[1]) {
		if suite, ok := debianSuites[m[1]]; ok {
			return "debian:" + suite
		}
		if m[1][0] >= 'a' {
			return "debian:" + m[1]
		}
	}
	return "oci:" + ref
}
