package pipeline

import (
	"context"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"

	"github.com/slipway-sh/slipway"
)

// Text is a text with expressions in it: "suite ${{ params.suite }}".
type Text struct{ parts []part }

// part is a piece of text, or an expression.
type part struct {
	text       string
	expression *Expression
}

// ParseText reads a text with expressions in it, each of which is text, a number, or true or false.
func ParseText(text string) (*Text, error) {
	var t Text
	for {
		before, rest, found := strings.Cut(text, "${{")
		if before != "" {
			t.parts = append(t.parts, part{text: before})
		}
		if !found {
			return &t, nil
		}
		inner, after, closed := cutExpression(rest)
		if !closed {
			return nil, slipway.Errorf(slipway.Invalid, "cannot read %s: ${{ is not closed by }}", quoted(text))
		}
		e, err := compile(strings.TrimSpace(inner))
		if err != nil {
			return nil, err
		}
		switch kind := e.checked.OutputType(); {
		case kind.IsExactType(cel.StringType), kind.IsExactType(cel.IntType), kind.IsExactType(cel.BoolType), kind.IsExactType(cel.DoubleType), kind.IsExactType(cel.DynType):
		default:
			return nil, slipway.Errorf(slipway.Invalid, "cannot write %s into a text: it is %s", quoted(inner), kindOf(kind))
		}
		t.parts = append(t.parts, part{expression: e})
		text = after
	}
}

// cutExpression cuts text behind an expression at the }} that closes it, which is none within quotes.
func cutExpression(text string) (inner, after string, closed bool) {
	var quote byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
		case c == '"' || c == '\'':
			quote = c
		case strings.HasPrefix(text[i:], "}}"):
			return text[:i], text[i+2:], true
		}
	}
	return "", "", false
}

// Eval returns the text with the values of its expressions.
func (t *Text) Eval(ctx context.Context, v Values) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.expression == nil {
			b.WriteString(p.text)
			continue
		}
		value, err := p.expression.eval(ctx, v.variables())
		if err != nil {
			return "", err
		}
		text, ok := value.ConvertToType(types.StringType).(types.String)
		if !ok {
			return "", slipway.Errorf(slipway.Failed, "cannot write %s into a text: it is no text", quoted(p.expression.text))
		}
		b.WriteString(string(text))
		if b.Len() > maxText {
			return "", slipway.Errorf(slipway.Failed, "cannot use a text of more than %d bytes", maxText)
		}
	}
	return b.String(), nil
}

// within is as [Expression.within], for every expression of the text.
func (t *Text) within(s scope) error {
	for _, p := range t.parts {
		if p.expression != nil {
			if err := p.expression.within(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// eachText calls f for every field of the step that may have expressions in it, with its place in the step, and puts what f returns
// in its place. It stops at the first error. What the step shares with others is not changed.
func eachText(s *slipway.Step, f func(place, text string) (string, error)) (err error) {
	one := func(place string, text *string) {
		if err == nil && *text != "" {
			*text, err = f(place, *text)
		}
	}
	all := func(place string, values map[string]string) map[string]string {
		if values == nil {
			return nil
		}
		changed := make(map[string]string, len(values))
		for _, name := range sorted(values) {
			value := values[name]
			one(place+"."+name, &value)
			changed[name] = value
		}
		return changed
	}
	switch {
	case s.Deploy != nil:
		d := *s.Deploy
		one("deploy.image", &d.Image)
		s.Deploy = &d
	case s.Approve != nil:
		a := *s.Approve
		one("approve.message", &a.Message)
		s.Approve = &a
	case s.Run != nil:
		r := *s.Run
		r.Command = append([]string(nil), r.Command...)
		for i := range r.Command {
			one("run.command["+digits(i)+"]", &r.Command[i])
		}
		r.Env = all("run.env", r.Env)
		s.Run = &r
	case s.Pipeline != nil:
		p := *s.Pipeline
		one("pipeline.image", &p.Image)
		p.Parameters = all("pipeline.parameters", p.Parameters)
		s.Pipeline = &p
	case s.Rollback != nil:
		r := *s.Rollback
		one("rollback.image", &r.Image)
		s.Rollback = &r
	}
	return err
}
