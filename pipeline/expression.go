package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"

	"github.com/slipway-sh/slipway"
)

// What an expression may cost to evaluate, in CEL's own units (about one for each step), and how long that may take. No pipeline that decides
// by a few words comes near either; they are there for one that means ill.
const (
	maxCost       = 100_000
	maxEvaluation = time.Second
	maxText       = 64 << 10 // bytes that an interpolated text may become
)

// causes and images are what is known of cause and image.
var (
	causes = []string{"trigger", "name", "by", "build", "build_url", "commit", "branch", "author", "event", "parent"}
	images = []string{"digest", "version", "application"}
	fields = []string{"state", "output", "error", "attempts"} // of a stage
)

// Values is what expressions see.
type Values struct {
	Application string
	Pipeline    string
	Execution   string
	Attempt     int
	Parameters  map[string]string
	Cause       slipway.Cause
	Image       slipway.Image         // its digest, version and application
	Environment string                // of the stage
	Failed      string                // ID of the stage that failed, to those that are run for that
	Stages      []slipway.StageRecord // those that are over
}

// environment declares what there is to speak of. It is the same for all expressions.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	texts := cel.MapType(cel.StringType, cel.StringType)
	return cel.NewEnv(
		cel.Variable("application", cel.StringType),
		cel.Variable("pipeline", cel.StringType),
		cel.Variable("execution", cel.StringType),
		cel.Variable("attempt", cel.IntType),
		cel.Variable("params", texts),
		cel.Variable("cause", texts),
		cel.Variable("image", texts),
		cel.Variable("environment", cel.StringType),
		cel.Variable("failed", cel.StringType),
		cel.Variable("stages", cel.MapType(cel.StringType, cel.MapType(cel.StringType, cel.DynType))),
		ext.Strings(),
		cel.ParserExpressionSizeLimit(slipway.MaxExpression),
		cel.ParserRecursionLimit(50),
	)
})

// Expression is a compiled expression.
type Expression struct {
	text    string
	checked *cel.Ast
	stages  bool // it asks for what stages have done
}

// Compile reads the condition of a stage, which must be true or false. Its error, Invalid, says what is wrong and where in the text.
func Compile(text string) (*Expression, error) {
	e, err := compile(text)
	if err != nil {
		return nil, err
	}
	if kind := e.checked.OutputType(); !kind.IsExactType(cel.BoolType) {
		return nil, slipway.Errorf(slipway.Invalid, "cannot decide by %s: it is %s, want true or false; compare it, such as with == \"…\"", quoted(text), kindOf(kind))
	}
	return e, nil
}

func compile(text string) (*Expression, error) {
	if strings.TrimSpace(text) == "" {
		return nil, slipway.Errorf(slipway.Invalid, "cannot decide by nothing: write an expression such as params.suite == \"full\"")
	}
	if len(text) > slipway.MaxExpression {
		return nil, slipway.Errorf(slipway.Invalid, "cannot use an expression of %d bytes: want at most %d", len(text), slipway.MaxExpression)
	}
	env, err := environment()
	if err != nil {
		return nil, fmt.Errorf("declare the variables of expressions: %w", err)
	}
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, slipway.Errorf(slipway.Invalid, "cannot read the expression %s: %s", quoted(text), complaint(issues))
	}
	e := &Expression{text: text, checked: checked}
	for _, r := range e.references() {
		e.stages = e.stages || r.variable == "stages" || r.variable == "failed"
	}
	return e, nil
}

// complaint returns the first of the compiler's messages with its place in the text.
func complaint(issues *cel.Issues) string {
	all := issues.Errors()
	if len(all) == 0 {
		return issues.Err().Error()
	}
	first := all[0]
	message, _, _ := strings.Cut(strings.TrimPrefix(first.Message, "Syntax error: "), "\n")
	message, _, _ = strings.Cut(message, " expecting {")
	if strings.HasPrefix(message, "token recognition error at: '=") {
		message = "equal is written =="
	}
	if name, ok := strings.CutPrefix(message, "undeclared reference to '"); ok {
		name, _, _ = strings.Cut(name, "'")
		message = fmt.Sprintf("there is no %q; there are application, attempt, cause, environment, execution, failed, image, params, pipeline and stages", name)
	}
	return fmt.Sprintf("%s (at letter %d)", message, first.Location.Column()+1)
}

// reference is a variable and what of it is asked for by name: {params, suite}, {stages, test, state}.
type reference struct {
	variable string
	path     []string
}

// references returns what the expression asks for of the variables that have parts.
func (e *Expression) references() []reference {
	var all []reference
	root := ast.NavigateAST(e.checked.NativeRep())
	for _, ident := range ast.MatchDescendants(root, ast.KindMatcher(ast.IdentKind)) {
		r := reference{variable: ident.AsIdent()}
		inner := ast.Expr(ident)
		for at := ident; ; {
			parent, ok := at.Parent()
			if !ok {
				break
			}
			name, ok := partOf(parent, inner)
			if !ok {
				break
			}
			r.path = append(r.path, name)
			at, inner = parent, parent
		}
		all = append(all, r)
	}
	return all
}

// partOf returns the name by which parent takes a part of inner: x.name, or x["name"].
func partOf(parent ast.NavigableExpr, inner ast.Expr) (string, bool) {
	switch parent.Kind() {
	case ast.SelectKind:
		return parent.AsSelect().FieldName(), true
	case ast.CallKind:
		call := parent.AsCall()
		if call.FunctionName() != "_[_]" && call.FunctionName() != "_[?_]" || len(call.Args()) != 2 || call.Args()[0].ID() != inner.ID() {
			return "", false
		}
		if name := call.Args()[1]; name.Kind() == ast.LiteralKind {
			if text, ok := name.AsLiteral().(types.String); ok {
				return string(text), true
			}
		}
	}
	return "", false
}

// scope is what an expression of a stage may ask for.
type scope struct {
	parameters map[string]slipway.Parameter
	before     map[string]bool // stages that are over when it is evaluated
	all        map[string]bool
}

// within returns an Invalid error if the expression asks by name for something that there is not, or that is not known when it is evaluated.
func (e *Expression) within(s scope) error {
	for _, r := range e.references() {
		if len(r.path) == 0 {
			continue
		}
		name := r.path[0]
		switch r.variable {
		case "params":
			if _, ok := s.parameters[name]; !ok {
				return slipway.Errorf(slipway.Invalid, "cannot ask for params.%s in %s: the pipeline has %s", name, quoted(e.text), orNone(slices.Sorted(maps.Keys(s.parameters)), "no parameters"))
			}
		case "cause":
			if !slices.Contains(causes, name) {
				return slipway.Errorf(slipway.Invalid, "cannot ask for cause.%s in %s: it has %s", name, quoted(e.text), strings.Join(causes, ", "))
			}
		case "image":
			if !slices.Contains(images, name) {
				return slipway.Errorf(slipway.Invalid, "cannot ask for image.%s in %s: it has %s", name, quoted(e.text), strings.Join(images, ", "))
			}
		case "stages":
			stage := named(s.all, name)
			switch {
			case stage == "":
				return slipway.Errorf(slipway.Invalid, "cannot ask for the stage %q in %s: the stages are %s", name, quoted(e.text), strings.Join(slices.Sorted(maps.Keys(s.all)), ", "))
			case !s.before[stage]:
				return slipway.Errorf(slipway.Invalid, "cannot ask for the stage %s in %s: it may not be over then; add it to needs", stage, quoted(e.text))
			case len(r.path) > 1 && !slices.Contains(fields, r.path[1]):
				return slipway.Errorf(slipway.Invalid, "cannot ask for stages.%s.%s in %s: a stage has %s", name, r.path[1], quoted(e.text), strings.Join(fields, ", "))
			}
		}
	}
	return nil
}

// named returns which of the IDs a name means: a dash may be written as an underscore, as a name with a dash is a difference in CEL.
func named(ids map[string]bool, name string) string {
	if ids[name] {
		return name
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		if strings.ReplaceAll(id, "-", "_") == name {
			return id
		}
	}
	return ""
}

// Eval evaluates the condition. Its error, Failed, says why it has no value: a part that is not there, or too much work.
func (e *Expression) Eval(ctx context.Context, v Values) (bool, error) {
	value, err := e.eval(ctx, v.variables())
	if err != nil {
		return false, err
	}
	return value == types.True, nil
}

// Foresee evaluates the condition as far as that can be done before anything has run: Maybe if it depends on what stages do, or on an image
// that is not baked.
func (e *Expression) Foresee(ctx context.Context, v Values) slipway.Answer {
	variables := v.variables()
	unknown := []*cel.AttributePatternType{cel.AttributePattern("stages"), cel.AttributePattern("failed"), cel.AttributePattern("execution")}
	if v.Image.Digest == "" {
		unknown = append(unknown, cel.AttributePattern("image"))
	}
	partial, err := cel.PartialVars(variables, unknown...)
	if err != nil {
		return slipway.Maybe
	}
	switch value, err := e.eval(ctx, partial, cel.EvalOptions(cel.OptPartialEval)); {
	case err != nil || types.IsUnknown(value):
		return slipway.Maybe
	case value == types.True:
		return slipway.Yes
	}
	return slipway.No
}

func (e *Expression) eval(ctx context.Context, variables any, options ...cel.ProgramOption) (ref.Val, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	program, err := env.Program(e.checked, append(options, cel.CostLimit(maxCost), cel.InterruptCheckFrequency(100))...)
	if err != nil {
		return nil, slipway.Errorf(slipway.Failed, "cannot evaluate %s: %w", quoted(e.text), err)
	}
	ctx, cancel := context.WithTimeout(ctx, maxEvaluation)
	defer cancel()
	value, _, err := program.ContextEval(ctx, variables)
	if err != nil {
		reason := err.Error()
		if errors.Is(ctx.Err(), context.DeadlineExceeded) || strings.Contains(reason, "cost limit") {
			reason = "it takes too much work"
		}
		return nil, slipway.Errorf(slipway.Failed, "cannot evaluate %s: %s", quoted(e.text), reason)
	}
	return value, nil
}

// variables returns v as CEL's variables.
func (v Values) variables() map[string]any {
	c := v.Cause
	stages := map[string]map[string]any{}
	for _, s := range v.Stages {
		output, message := s.Output, ""
		if output == nil {
			output = map[string]string{}
		}
		if s.Error != nil {
			message = s.Error.Message
		}
		view := map[string]any{"state": string(s.State), "output": output, "error": message, "attempts": s.Attempt}
		stages[s.ID] = view
		if alias := strings.ReplaceAll(s.ID, "-", "_"); stages[alias] == nil {
			stages[alias] = view
		}
	}
	parameters := v.Parameters
	if parameters == nil {
		parameters = map[string]string{}
	}
	return map[string]any{
		"application": v.Application, "pipeline": v.Pipeline, "execution": v.Execution, "attempt": v.Attempt,
		"params": parameters, "environment": v.Environment, "failed": v.Failed, "stages": stages,
		"image": map[string]string{"digest": string(v.Image.Digest), "version": v.Image.Version, "application": v.Image.Application},
		"cause": map[string]string{
			"trigger": c.Trigger, "name": c.Name, "by": c.By, "build": c.BuildKey, "build_url": c.Build, "commit": c.Commit,
			"branch": c.Branch, "author": c.Author, "event": c.Event, "parent": c.Parent,
		},
	}
}

// quoted returns an expression as it is shown in a message.
func quoted(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if letters := []rune(text); len(letters) > 80 {
		text = string(letters[:79]) + "…"
	}
	return "`" + text + "`"
}

func kindOf(t *cel.Type) string {
	switch {
	case t.IsExactType(cel.DynType):
		return "of a kind that is known only then"
	case t.IsExactType(cel.StringType):
		return "text"
	case t.IsExactType(cel.IntType), t.IsExactType(cel.DoubleType), t.IsExactType(cel.UintType):
		return "a number"
	}
	return "of the kind " + t.String()
}

func orNone(names []string, none string) string {
	if len(names) == 0 {
		return none
	}
	return strings.Join(names, ", ")
}
