package bake

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"text/template"
	"text/template/parse"

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
	return renderText(ctx, t.From, string(text), application, t.Values)
}

// maxSteps is how many times a template may go into a part of it: a loop's, a condition's, another template's.
const maxSteps = 1_000_000

// renderText executes the text of a template.
func renderText(ctx context.Context, name, text, application string, values map[string]string) ([]byte, error) {
	steps := 0
	tmpl, err := template.New(name).Option("missingkey=error").Funcs(template.FuncMap{stepName: func() (string, error) {
		if steps++; steps > maxSteps {
			return "", errors.New("it does not come to an end")
		}
		return "", ctx.Err()
	}}).Parse(text)
	if err != nil {
		return nil, templateError(err)
	}
	if err := counted(tmpl); err != nil {
		return nil, templateError(err)
	}
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

// stepName is a function that every part of a template begins with.
const stepName = "_step"

// counted has every part of a template, and of those in it, count its steps: a template that writes nothing could go on for ever otherwise.
func counted(tmpl *template.Template) error {
	step, err := template.New("").Funcs(template.FuncMap{stepName: func() string { return "" }}).Parse("{{" + stepName + "}}")
	if err != nil {
		return err
	}
	for _, t := range tmpl.Templates() {
		if t.Tree != nil {
			countList(t.Tree.Root, step.Root.Nodes[0])
		}
	}
	return nil
}

func countList(list *parse.ListNode, step parse.Node) {
	if list == nil {
		return
	}
	for _, n := range list.Nodes {
		switch n := n.(type) {
		case *parse.IfNode:
			countList(n.List, step)
			countList(n.ElseList, step)
		case *parse.RangeNode:
			countList(n.List, step)
			countList(n.ElseList, step)
		case *parse.WithNode:
			countList(n.List, step)
			countList(n.ElseList, step)
		}
	}
	list.Nodes = append([]parse.Node{step.Copy()}, list.Nodes...)
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
