package packer

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/manifest"
)

// component is a builder, a provisioner or a post-processor as the template has it.
type component struct {
	kind     string // "builder", "provisioner", "post-processor"
	typ      string // "docker"
	at       place
	settings *object
}

func (c component) String() string { return "the " + c.typ + " " + c.kind }

// split returns the component with the settings called names alone, and with the others.
func (c component) split(names ...string) (those, others component) {
	those, others = c, c
	those.settings, others.settings = c.settings.split(names...)
	return those, others
}

// draft is a build as it stands in the template.
type draft struct {
	name         string // what scripts see as PACKER_BUILD_NAME
	path         string // what --only matches: the name, in HCL "build.docker.name"
	source       string // what only and except name: the name, in HCL "docker.name"
	builder      component
	provisioners []component
	post         [][]component // sequences: each one takes what that before it made
	scope        *scope
}

// Build is one image, or one file, that a template makes.
type Build struct {
	Name string // "web"
	Type string // "docker"
	From string
	File *File // what the file builder writes; nil for an image

	at          place
	dir         string // of the template
	application string
	image       slipway.ImageSpec
	layers      []place // where each layer of the image comes from
	steps       []string
	context     files
	values      map[string][]byte // of sensitive variables
	post        [][]postProcessor
}

// Application returns the name that the image has unless a slipway.yaml says another.
func (b *Build) Application() string { return b.application }

// Secrets returns the values of the secrets that the layers of the build name: sensitive variables.
func (b *Build) Secrets() map[string][]byte { return b.values }

// Steps says for people what became of each provisioner: "web.json:12:5: shell: layer 2".
func (b *Build) Steps() []string { return b.steps }

// Manifest returns what slipwayd has to be asked for. From the slipway.yaml at file, "" for none, come the application, the service,
// the tests and the environments; it must not say what the image starts from, nor have layers. It reads the files that the template
// names. The errors are those of [manifest.Load].
func (b *Build) Manifest(ctx context.Context, file string) (*manifest.Manifest, error) {
	places := map[string]string{"application": b.at.String(), "image": b.at.String(), "image.from": b.at.String()}
	for i, at := range b.layers {
		places[fmt.Sprintf("image.layers[%d]", i)] = at.String()
	}
	entries, tree, err := b.context.collect(ctx)
	if err != nil {
		return nil, err
	}
	return manifest.Translation{
		Name: b.at.file, Dir: b.dir, Spec: slipway.Spec{Application: b.application, Image: b.image},
		Places: places, Files: entries, Tree: tree,
	}.Manifest(file)
}

// translation is a build being made of a draft.
type translation struct {
	*reader
	*Build
	decoder
	draft draft
	home  string // where scripts start
}

// build turns a draft into a build. Mistakes are added to problems.
func (r *reader) build(d draft, mistakes *problems) *Build {
	b := &Build{Name: d.name, Type: d.builder.typ, at: d.builder.at, dir: r.templateDir()}
	t := &translation{
		reader: r, Build: b, draft: d, home: "/",
		decoder: decoder{scope: d.scope, problems: mistakes, notes: &r.notes},
	}
	t.start()
	b.From = b.image.From
	for i, p := range d.provisioners {
		t.provision(i+1, p)
	}
	for _, sequence := range d.post {
		t.postProcess(sequence)
	}
	b.values = map[string][]byte{}
	for _, l := range b.image.Layers {
		if l.Run != nil {
			for _, name := range l.Run.Secrets {
				b.values[name] = []byte(r.secrets.values[name])
			}
		}
	}
	return b
}

// layer adds a layer that was made of something at a place.
func (t *translation) layer(l slipway.Layer, at place) {
	t.image.Layers = append(t.image.Layers, l)
	t.layers = append(t.layers, at)
}

// chosen returns the drafts that Only names and Except does not, and those without the post-processors that Except names.
func (r *reader) chosen(drafts []draft) ([]draft, error) {
	var names []string
	for _, d := range drafts {
		names = append(names, d.path)
	}
	post := postProcessorNames(drafts)
	picked, left := map[string]bool{}, map[string]bool{}
	for _, pattern := range r.Only {
		found, err := matching(drafts, "--only", pattern, picked)
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, slipway.Errorf(slipway.NotFound, "cannot find the build %q: %s has %s", pattern, r.Path, strings.Join(names, ", "))
		}
	}
	for _, pattern := range r.Except {
		found, err := matching(drafts, "--except", pattern, left)
		if err != nil {
			return nil, err
		}
		if found || slices.Contains(post, pattern) {
			leaveOut(drafts, pattern)
			continue
		}
		return nil, slipway.Errorf(slipway.NotFound, "cannot find a build or a post-processor %q: %s has %s",
			pattern, r.Path, strings.Join(append(names, post...), ", "))
	}
	return slices.DeleteFunc(drafts, func(d draft) bool { return len(r.Only) > 0 && !picked[d.path] || left[d.path] }), nil
}

// matching adds the paths of the drafts that a pattern of a flag means to found, and reports whether there are any.
func matching(drafts []draft, flag, pattern string, found map[string]bool) (bool, error) {
	matched := false
	for _, d := range drafts {
		if ok, err := path.Match(pattern, d.path); err != nil {
			return false, slipway.Errorf(slipway.Invalid, "cannot use %s %s: its brackets do not close", flag, pattern)
		} else if ok || pattern == d.source {
			found[d.path], matched = true, true
		}
	}
	return matched, nil
}

// leaveOut takes the post-processors of this name or type, and those that follow them in their sequence, out of all drafts.
func leaveOut(drafts []draft, name string) {
	for i := range drafts {
		drafts[i].post = slices.Clone(drafts[i].post) // builds of a template in JSON share it
		for j, sequence := range drafts[i].post {
			if k := slices.IndexFunc(sequence, func(c component) bool { return slices.Contains(c.names(), name) }); k >= 0 {
				drafts[i].post[j] = sequence[:k]
			}
		}
	}
}

// names returns what a flag may call a post-processor: its type, and its name if it has one.
func (c component) names() []string {
	names := []string{c.typ}
	if f := c.settings.get("name"); f != nil {
		if name, ok := f.value.(string); ok {
			names = append(names, name)
		}
	}
	return names
}

func postProcessorNames(drafts []draft) []string {
	var names []string
	for _, d := range drafts {
		for _, sequence := range d.post {
			for _, c := range sequence {
				names = append(names, c.names()...)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// unique returns the problems, each once: what several builds share is wrong once.
func (p *problems) unique() error {
	seen := map[string]bool{}
	var once problems
	for _, err := range *p {
		if !seen[err.Error()] {
			seen[err.Error()] = true
			once = append(once, err)
		}
	}
	return once.err()
}
