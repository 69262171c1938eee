package bake

import (
	"bytes"
	"context"
	"io"
	"strings"
	"text/template"

	"github.com/slipway-sh/slipway"
)

const maxTemplate = 16 << 20 // bytes of a template, and of what it renders to

// render executes a template. Invalid, naming file and line, if that fails: a value that is used and not given is a failure.
func (b *Baker) render(ctx context.Context, application string, t slipway.TemplateLayer, file slipway.ContextEntry) ([]byte, error) {
	if err := b.images.Verify(ctx, file.Digest); err != nil {
		return nil, err
	}
	r, err := b.images.OpenBlob(ctx, file.Digest)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxTemplate+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxTemplate {
		return nil, slipway.Errorf(slipway.Invalid, "cannot render %s: a template may have %d MiB", t.From, maxTemplate>>20)
	}
	tmpl, err := template.New(t.From).Option("missingkey=error").Parse(string(text))
	if err != nil {
		return nil, templateError(err)
	}
	values := t.Values
	if values == nil {
		values = map[string]string{}
	}
	out := limited{ctx: ctx}
	err = tmpl.Execute(&out, struct {
		Application string
		Values      map[string]string
	}{application, values})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, templateError(err)
	}
	return out.Bytes(), nil
}

func templateError(err error) error {
	return slipway.Errorf(slipway.Invalid, "cannot render the template: %s", strings.TrimPrefix(err.Error(), "template: "))
}

// limited is a buffer that ends a template which would render without end.
type limited struct {
	bytes.Buffer
	ctx context.Context
}

func (l *limited) Write(p []byte) (int, error) {
	if err := l.ctx.Err(); err != nil {
		return 0, err
	}
	if l.Len()+len(p) > maxTemplate {
		return 0, slipway.Errorf(slipway.Invalid, "it renders to more than %d MiB", maxTemplate>>20)
	}
	return l.Buffer.Write(p)
}
