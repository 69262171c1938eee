package packer

import (
	"runtime"

	"github.com/slipway-sh/slipway"
)

type dockerSettings struct {
	Image      text   `packer:"image"`
	Commit     bool   `packer:"commit"`
	Discard    bool   `packer:"discard"`
	ExportPath text   `packer:"export_path"`
	Changes    []text `packer:"changes"`
	Platform   text   `packer:"platform"`
}

const (
	noContainer = "a bake's sandbox is slipway's own"
	notDocker   = "the image is slipway's, not Docker's"
	credentials = "slipwayd pulls with the credentials of its own host"
)

var dockerManual = manual{
	noted: map[string]string{
		"author":           notDocker,
		"message":          notDocker,
		"pull":             "slipwayd pulls what it lacks; slipway bake --refresh looks for a newer one",
		"run_command":      noContainer,
		"fix_upload_owner": "files are always root's",
		"communicator":     noContainer,
		"executable":       noContainer,
		"container_dir":    noContainer,
		"tmpfs":            noContainer,
	},
	refused: map[string]string{
		"privileged":      noContainer + ", and has no privileges; leave it out",
		"cap_add":         noContainer + ", and has no more capabilities; leave it out",
		"cap_drop":        noContainer + "; leave it out",
		"device":          noContainer + ", and has no devices; leave it out",
		"volumes":         noContainer + "; bring files in with a file provisioner",
		"exec_user":       noContainer + ": scripts are root's; use sudo -u in them",
		"windows":         windows,
		"login":           credentials + "; leave it out",
		"login_server":    credentials + "; leave it out",
		"login_username":  credentials + "; leave it out",
		"login_password":  credentials + "; leave it out",
		"ecr_login":       credentials + "; leave it out",
		"aws_access_key":  credentials + "; leave it out",
		"aws_secret_key":  credentials + "; leave it out",
		"aws_token":       credentials + "; leave it out",
		"aws_profile":     credentials + "; leave it out",
		"build":           "a Dockerfile is not read; bake an image of its own and start from that: --from image:NAME",
		"run_interactive": noContainer + "; leave it out",
	},
}

// docker starts from the image of a docker builder. What its changes say becomes the service.
func (t *translation) docker() {
	c := t.draft.builder
	var s dockerSettings
	if !t.into(c, &s, dockerManual) {
		return
	}
	ways := 0
	for _, is := range []bool{s.Commit, s.Discard, s.ExportPath.given()} {
		if is {
			ways++
		}
	}
	switch {
	case s.ExportPath.given():
		t.problems.add(s.ExportPath.at, "cannot export the container to %s: an image is kept by slipwayd; write commit = true", s.ExportPath.string)
	case ways != 1:
		t.problems.add(c.at, "cannot tell what becomes of the docker builder's container: want exactly one of commit and discard")
	case s.Discard:
		t.note(c.at, "discard has no effect: slipwayd keeps the image, as it keeps all")
	}
	if own := "linux/" + runtime.GOARCH; s.Platform.given() && s.Platform.string != own {
		t.problems.add(s.Platform.at, "cannot use the platform %q: an image is for the machine that slipwayd runs on, %s", s.Platform.string, own)
	}
	if s.Image.given() {
		t.secrets.plain(t.problems, s.Image, "the name of an image")
		t.image.From = fromImage(s.Image.string)
	} else if t.Options.From == "" {
		t.problems.add(c.at, "cannot use the docker builder without an image")
	}
	t.image.Service = t.service(s.Changes)
}

// service returns what the changes of a docker builder say that a machine runs.
func (t *translation) service(changes []text) slipway.Service {
	var d dockerfile
	for _, change := range changes {
		t.secrets.plain(t.problems, change, "the service")
		if err := d.apply(change.string); err != "" {
			t.problems.add(change.at, "%s", err)
		}
		if d.metadata != "" {
			t.note(change.at, "%s has no effect: %s", d.metadata, notDocker)
			d.metadata = ""
		}
	}
	if d.idle() {
		t.note(changes[0].at, "changes have no effect: none of them is CMD or ENTRYPOINT, and an image that runs nothing is one for others to build on")
	}
	return d.service()
}
