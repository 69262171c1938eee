package bake

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/secrets"
)

// secretsDir is where a script finds the values of its secrets, each in the file of its name.
const secretsDir = "/run/secrets"

// secrets returns the secrets of the script. Invalid, naming the first, if a value is not there or too short to be hidden.
func (p script) secrets(ctx context.Context) ([]secret, error) {
	var all []secret
	for i, name := range p.layer.Secrets {
		refuse := func(format string, args ...any) error {
			return slipway.Errorf(slipway.Invalid, "cannot %s: "+format, append([]any{p.what}, args...)...).At(indexed(p.place+".secrets", i))
		}
		value, err := p.job.secret(ctx, name)
		switch {
		case isCode(err, slipway.NotFound) && p.job.Request.Secrets == "":
			return nil, refuse("the secret %s was not handed over; with slipway bake, add --secret %s=env:VARIABLE or --secret %s=file:PATH",
				name, name, name)
		case isCode(err, slipway.NotFound):
			return nil, refuse("the secret %s is not there: %w", name, err)
		case err != nil:
			return nil, err
		case len(bytes.TrimSpace(value)) < secrets.MinValue:
			return nil, refuse("the secret %s has less than %d bytes, which cannot be told from other text where it has to be hidden",
				name, secrets.MinValue)
		}
		all = append(all, secret{name, value})
	}
	return all, nil
}

// secret returns a value; NotFound if it is not there.
func (j *Job) secret(ctx context.Context, name string) ([]byte, error) {
	if j.Secrets == nil {
		return nil, slipway.Errorf(slipway.NotFound, "cannot find the secret %s: there are none", name)
	}
	return j.Secrets(ctx, name)
}

// mountSecrets writes secrets to files in memory, for root alone, and returns their directory in the work directory dir.
func (b *Baker) mountSecrets(dir string, all []secret) (string, error) {
	mounted := filepath.Join(dir, "secrets")
	if err := os.Mkdir(mounted, 0o700); err != nil {
		return "", err
	}
	size := int64(1 << 20)
	for _, s := range all {
		size += int64(len(s.value))
	}
	if err := secrets.Mount(mounted, size); err != nil {
		return "", err
	}
	for _, s := range all {
		if err := os.WriteFile(filepath.Join(mounted, s.name), s.value, 0o400); err != nil {
			return "", errors.Join(err, b.unmountSecrets(mounted))
		}
	}
	return mounted, nil
}

func (b *Baker) unmountSecrets(mounted string) error {
	return errors.Join(b.mounts.Unmount(mounted), os.Remove(mounted))
}

// leak refuses, as Failed, what a script has changed if a secret is in there.
func (p script) leak(ctx context.Context, g *ground, all []secret) error {
	if len(all) == 0 {
		return nil
	}
	file, name, err := newLeaks(all).below(ctx, g.upper, g.isTrace)
	if err != nil || name == "" {
		return err
	}
	return slipway.Errorf(slipway.Failed, "cannot %s: it left the secret %s in %s, which would be in the image for all to see",
		p.what, name, cleanName(file, all)).At(p.place)
}

// cleanName returns a file's name for people.
func cleanName(file string, all []secret) string {
	file = printable([]byte(file))
	return hide(file, newMask(all).spans(file))
}
