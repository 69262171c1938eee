// Package gossfile finds mistakes in goss files before they are run. It knows their outer form alone: what a resource may have, goss
// itself checks when it runs the file.
package gossfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/slipway-sh/slipway"
)

// MaxSize is how large a goss file may be, bytes.
const MaxSize = 4 << 20

// resources are the kinds of things that goss v0.4 looks at.
var resources = map[string]bool{
	"addr": true, "command": true, "dns": true, "file": true, "gossfile": true, "group": true, "http": true, "interface": true,
	"kernel-param": true, "matching": true, "mount": true, "package": true, "port": true, "process": true, "service": true, "user": true,
}

// Check returns an Invalid error for each mistake, with its place, "name:line", joined if there are several. A file with template
// actions, {{…}}, can only be read once they are done, in the machine: of such a file nothing is said but its size.
func Check(name string, content []byte) error {
	switch ext := path.Ext(name); {
	case ext != ".yaml" && ext != ".yml" && ext != ".json":
		return slipway.Errorf(slipway.Invalid, "cannot use it as a goss file: want a name that ends in .yaml, .yml or .json").At(name)
	case len(content) > MaxSize:
		return slipway.Errorf(slipway.Invalid, "cannot use it as a goss file: it is larger than %d MiB", MaxSize>>20).At(name)
	case bytes.Contains(content, []byte("{{")):
		return nil
	}
	return CheckRendered(name, content)
}

// CheckRendered is Check for a file whose template actions are done.
func CheckRendered(name string, content []byte) error {
	loader, err := yaml.NewLoader(bytes.NewReader(content))
	if err != nil {
		return syntax(name, err)
	}
	var document yaml.Node
	if err := loader.Load(&document); errors.Is(err, io.EOF) || err == nil && len(document.Content) == 0 {
		return slipway.Errorf(slipway.Invalid, "cannot use an empty goss file: want resources, such as file: {/etc/hosts: {exists: true}}").At(name)
	} else if err != nil {
		return syntax(name, err)
	}
	top := document.Content[0]
	if top.Kind != yaml.MappingNode {
		return slipway.Errorf(slipway.Invalid, "cannot use it as a goss file: want an object of resources, such as file: {/etc/hosts: {exists: true}}").At(at(name, top))
	}
	var problems []error
	add := func(n *yaml.Node, format string, args ...any) {
		problems = append(problems, slipway.Errorf(slipway.Invalid, format, args...).At(at(name, n)))
	}
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], resolved(top.Content[i+1])
		switch {
		case !resources[key.Value]:
			add(key, "goss has no resource %q: want one of %s", key.Value, strings.Join(slices.Sorted(maps.Keys(resources)), ", "))
		case value.Kind != yaml.MappingNode:
			add(value, "cannot use this as %s: want an object, whose keys say which %s", key.Value, key.Value)
		default:
			for j := 0; j+1 < len(value.Content); j += 2 {
				if of := resolved(value.Content[j+1]); of.Kind != yaml.MappingNode && of.ShortTag() != "!!null" {
					add(of, "cannot use this as the properties of %s %s: want an object", key.Value, value.Content[j].Value)
				}
			}
		}
	}
	return errors.Join(problems...)
}

func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func at(name string, n *yaml.Node) string { return fmt.Sprintf("%s:%d", name, max(n.Line, 1)) }

// syntax says where the parser stumbled.
func syntax(name string, err error) error {
	line, message := 1, err.Error()
	if e, ok := errors.AsType[*yaml.LoadError](err); ok {
		line = max(e.Mark.Line, 1)
		message = e.Message
		if e.ContextMsg != "" {
			message += " " + e.ContextMsg
		}
	}
	return slipway.Errorf(slipway.Invalid, "cannot read it as YAML: %s", message).At(fmt.Sprintf("%s:%d", name, line))
}
