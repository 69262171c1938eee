package packer

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/manifest"
)

// Run is one run of slipway over a template, which the files of post-processors name.
type Run struct {
	UUID string
	Time time.Time
}

// NewRun returns a run with a UUID of its own.
func NewRun() Run {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return Run{fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), time.Now()}
}

// artifact is what a build or a post-processor made.
type artifact struct {
	id    string
	files []string // as the template names them
	image slipway.Digest
	name  string // of the image
}

// postProcessor makes files of an artifact.
type postProcessor interface {
	process(run Run, a artifact) (artifact, error)
}

// postProcessors read the settings of the post-processors that there are.
var postProcessors = map[string]func(*translation, component) postProcessor{
	"manifest": (*translation).manifestFile,
	"checksum": (*translation).checksum,
}

const pushed = "the image is slipwayd's; slipway image push brings it to a registry"

// refusedPostProcessors are Packer's others, and why they cannot be used.
var refusedPostProcessors = map[string]string{
	"artifice":           "what a bake makes is an image; leave it out",
	"compress":           "there is no file to compress: slipwayd keeps the image",
	"docker-import":      "there is no archive to import: slipwayd keeps the image; leave it out",
	"docker-push":        pushed,
	"docker-save":        "slipwayd keeps the image; leave it out",
	"docker-tag":         "the image is called as the application is; slipway bake --version gives it a label, slipway image channel a name that moves",
	"shell-local":        "it runs on the host that Packer runs on; run it after slipway",
	"vagrant":            "there is no machine to make a box of",
	"vagrant-cloud":      "there is no machine to make a box of",
	"amazon-import":      pushed,
	"googlecompute-push": pushed,
}

// postProcess adds a sequence of post-processors.
func (t *translation) postProcess(sequence []component) {
	var list []postProcessor
	for _, c := range sequence {
		var general struct {
			Only   []text `packer:"only"`
			Except []text `packer:"except"`
			Keep   bool   `packer:"keep_input_artifact"`
			Name   text   `packer:"name"`
		}
		head, rest := c.split("only", "except", "keep_input_artifact", "name")
		if !t.into(head, &general, manual{}) || !t.wanted(general.Only, general.Except) {
			continue
		}
		read, known := postProcessors[c.typ]
		refused, isRefused := refusedPostProcessors[c.typ]
		switch {
		case isRefused:
			t.problems.add(c.at, "cannot use the %s post-processor: %s", c.typ, refused)
		case !known:
			t.problems.add(c.at, "cannot use the %s post-processor: there is none that slipway knows; %s",
				c.typ, manifest.Suggestion(c.typ, keys(postProcessors)))
		default:
			list = append(list, read(t, rest))
		}
	}
	if len(list) > 0 {
		t.post = append(t.post, list)
	}
}

// HasPostProcessors reports whether there is something to do once the build is there.
func (b *Build) HasPostProcessors() bool { return len(b.post) > 0 }

// Finish runs the post-processors of a build that came out well: of an image, or of a file that was written.
func (b *Build) Finish(run Run, application string, image slipway.Digest) error {
	made := artifact{id: string(image), image: image, name: application}
	if b.File != nil {
		made = artifact{id: "File", files: []string{b.File.target.string}}
	}
	for _, sequence := range b.post {
		a := made
		for _, p := range sequence {
			var err error
			if a, err = p.process(run, a); err != nil {
				return err
			}
		}
	}
	return nil
}
