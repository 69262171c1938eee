package packer

import "regexp"

// lxdImage matches Debian's images as LXD names them.
var lxdImage = regexp.MustCompile(`^(?:[a-z]+:)?debian/([a-z0-9]+)(?:/(?:default|cloud|amd64|arm64))*$`)

// lxd starts from Debian, as the image of an lxd builder names it.
func (t *translation) lxd() {
	var s struct {
		Image text `packer:"image"`
	}
	c := t.draft.builder
	if !t.into(c, &s, manual{noted: map[string]string{
		"container_name": noContainer, "init_sleep": "there is no machine to wait for", "command_wrapper": noContainer,
		"launch_config": noContainer, "profile": noContainer, "virtual_machine": noContainer,
		"output_image": "the image is called as the application is", "publish_properties": "the image is slipway's, not LXD's",
	}}) {
		return
	}
	t.home = "/root"
	if m := lxdImage.FindStringSubmatch(s.Image.string); m != nil {
		t.image.From = fromImage("debian:" + m[1])
	} else if t.Options.From == "" {
		t.problems.add(c.at, "cannot start from the image %q: slipway knows debian/<suite> among LXD's; add --from oci:<reference>, say", s.Image.string)
	}
}

// lxc starts from Debian, as the parameters of an lxc builder's template name it.
func (t *translation) lxc() {
	var s struct {
		Template   text            `packer:"template_name"`
		Parameters []text          `packer:"template_parameters"`
		Env        map[string]text `packer:"template_environment_vars"`
	}
	c := t.draft.builder
	if !t.into(c, &s, manual{noted: map[string]string{
		"config_file": noContainer, "container_name": noContainer, "command_wrapper": noContainer, "init_timeout": noContainer,
		"create_options": noContainer, "start_options": noContainer, "attach_options": noContainer, "output_directory": "slipwayd keeps the image",
		"target_runlevel": noContainer,
	}}) {
		return
	}
	t.home = "/root"
	options := map[string]string{}
	for i := 0; i+1 < len(s.Parameters); i++ {
		options[s.Parameters[i].string] = s.Parameters[i+1].string
	}
	suite := options["-r"] + options["--release"]
	if suite == "" {
		suite = s.Env["SUITE"].string
	}
	isDebian := s.Template.string == "debian" || s.Template.string == "download" && options["-d"]+options["--dist"] == "debian"
	if isDebian && suite != "" {
		t.image.From = "debian:" + suite
	} else if t.Options.From == "" {
		t.problems.add(c.at, "cannot start from what the lxc template %q makes: slipway knows debian with --release <suite>; "+
			"add --from oci:<reference>, say", s.Template.string)
	}
}
