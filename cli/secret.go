package cli

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/slipway-sh/slipway"
)

// secretsFor returns the values of the secrets that a spec names, as the flags say where to find them or as a template brings them along.
func (i *ingredients) secretsFor(f *Factory, spec slipway.Spec) (map[string][]byte, error) {
	given, err := readSecrets(f, i.secrets)
	if err != nil {
		return nil, err
	}
	values := map[string][]byte{}
	wanted := wantedSecrets(spec)
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		value := given[name]
		if value == nil {
			value = i.values[name]
		}
		if value == nil {
			return nil, slipway.Errorf(slipway.Invalid, "cannot bake without the secret %s: add --secret %s=env:VARIABLE or --secret %s=file:PATH",
				name, name, name).At(wanted[name])
		}
		values[name] = value
	}
	return values, nil
}

// checkSecrets returns an error if a secret is given that none of the specs names: whoever misspelt one wants to know.
func (i *ingredients) checkSecrets(specs ...slipway.Spec) error {
	for _, flag := range i.secrets {
		name, _, _ := strings.Cut(flag, "=")
		if !slices.ContainsFunc(specs, func(s slipway.Spec) bool { return wantedSecrets(s)[name] != "" }) {
			return usageError{fmt.Errorf("cannot use --secret %s: no layer names such a secret", name)}
		}
	}
	return nil
}

// wantedSecrets returns the names of the secrets a spec needs, each with the place that says so.
func wantedSecrets(spec slipway.Spec) map[string]string {
	wanted := map[string]string{}
	for n, layer := range spec.Image.Layers {
		if layer.Run == nil {
			continue
		}
		for m, name := range layer.Run.Secrets {
			wanted[name] = fmt.Sprintf("image.layers[%d].run.secrets[%d]", n, m)
		}
	}
	return wanted
}

// readSecrets returns the values that flags of the form NAME=env:VARIABLE and NAME=file:PATH stand for.
func readSecrets(f *Factory, flags []string) (map[string][]byte, error) {
	values := map[string][]byte{}
	for _, flag := range flags {
		name, from, ok := strings.Cut(flag, "=")
		kind, where, named := strings.Cut(from, ":")
		switch {
		case !ok || !named || where == "":
			return nil, usageError{fmt.Errorf("cannot use --secret %s: want NAME=env:VARIABLE or NAME=file:PATH", name)}
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
	return values, nil
}
