package cli

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/slipway-sh/slipway"
)

// readSecrets returns the values of the secrets that a spec names, as the flags say where to find them.
func (i *ingredients) readSecrets(f *Factory, spec slipway.Spec) (map[string][]byte, error) {
	wanted := map[string]string{}
	for n, layer := range spec.Image.Layers {
		if layer.Run == nil {
			continue
		}
		for m, name := range layer.Run.Secrets {
			wanted[name] = fmt.Sprintf("image.layers[%d].run.secrets[%d]", n, m)
		}
	}
	values := map[string][]byte{}
	for name := range wanted {
		if value := i.values[name]; value != nil {
			values[name] = value
		}
	}
	for _, flag := range i.secrets {
		name, from, ok := strings.Cut(flag, "=")
		kind, where, named := strings.Cut(from, ":")
		switch {
		case !ok || !named || where == "":
			return nil, usageError{fmt.Errorf("cannot use --secret %s: want NAME=env:VARIABLE or NAME=file:PATH", name)}
		case wanted[name] == "":
			return nil, usageError{fmt.Errorf("cannot use --secret %s: no layer of %s names such a secret", name, spec.Application)}
		case kind == "env":
			value := f.Env(where)
			if value == "" {
				return nil, slipway.Errorf(slipway.Invalid, "cannot read the secret %s: the variable %s is empty or not set", name, where)
			}
			values[name] = []byte(value)
		case kind == "file":
			value, err := os.ReadFile(where)
			if err != nil {
				return nil, slipway.Errorf(slipway.Invalid, "cannot read the secret %s: %w", name, err)
			}
			values[name] = value
		default:
			return nil, usageError{fmt.Errorf("cannot use --secret %s=%s:…: want env:VARIABLE or file:PATH", name, kind)}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if values[name] == nil {
			return nil, slipway.Errorf(slipway.Invalid, "cannot bake without the secret %s: add --secret %s=env:VARIABLE or --secret %s=file:PATH", name, name, name).At(wanted[name])
		}
	}
	return values, nil
}
