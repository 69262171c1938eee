package packer

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// hclFunctions returns Packer's functions that give the same every time. Files are read relative to the working directory.
func (r *reader) hclFunctions() map[string]function.Function {
	f := map[string]function.Function{
		"abs": stdlib.AbsoluteFunc, "can": tryfunc.CanFunc, "ceil": stdlib.CeilFunc, "chomp": stdlib.ChompFunc,
		"chunklist": stdlib.ChunklistFunc, "coalesce": stdlib.CoalesceFunc, "coalescelist": stdlib.CoalesceListFunc,
		"compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc, "csvdecode": stdlib.CSVDecodeFunc,
		"distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc, "flatten": stdlib.FlattenFunc, "floor": stdlib.FloorFunc,
		"format": stdlib.FormatFunc, "formatdate": stdlib.FormatDateFunc, "formatlist": stdlib.FormatListFunc, "indent": stdlib.IndentFunc,
		"join": stdlib.JoinFunc, "jsondecode": stdlib.JSONDecodeFunc, "jsonencode": stdlib.JSONEncodeFunc,
		"keys": stdlib.KeysFunc, "log": stdlib.LogFunc, "lookup": stdlib.LookupFunc, "lower": stdlib.LowerFunc,
		"max": stdlib.MaxFunc, "merge": stdlib.MergeFunc, "min": stdlib.MinFunc, "parseint": stdlib.ParseIntFunc, "pow": stdlib.PowFunc,
		"range": stdlib.RangeFunc, "regex": stdlib.RegexFunc, "regexall": stdlib.RegexAllFunc, "regex_replace": stdlib.RegexReplaceFunc,
		"replace": stdlib.ReplaceFunc, "reverse": stdlib.ReverseListFunc, "setintersection": stdlib.SetIntersectionFunc,
		"setproduct": stdlib.SetProductFunc, "setunion": stdlib.SetUnionFunc, "signum": stdlib.SignumFunc, "slice": stdlib.SliceFunc,
		"sort": stdlib.SortFunc, "split": stdlib.SplitFunc, "strrev": stdlib.ReverseFunc, "substr": stdlib.SubstrFunc,
		"timeadd": stdlib.TimeAddFunc, "title": stdlib.TitleFunc, "trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc,
		"trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc, "try": tryfunc.TryFunc, "upper": stdlib.UpperFunc,
		"values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,

		"convert": typeexpr.ConvertFunc,
		"length":  lengthFunction,
		"index":   indexFunction,
		"alltrue": truths(func(all []cty.Value) bool { return !slices.ContainsFunc(all, isFalse) }),
		"anytrue": truths(func(all []cty.Value) bool { return slices.ContainsFunc(all, isTrue) }),
		"base64decode": textFunction(func(s string) (string, error) {
			b, err := base64.StdEncoding.DecodeString(s)
			return string(b), err
		}),
		"base64encode": textFunction(func(s string) (string, error) { return base64.StdEncoding.EncodeToString([]byte(s)), nil }),
		"urlencode":    textFunction(func(s string) (string, error) { return url.QueryEscape(s), nil }),
		"md5":          sumFunction(md5.New),
		"sha1":         sumFunction(sha1.New),
		"sha256":       sumFunction(sha256.New),
		"sha512":       sumFunction(sha512.New),
		"basename":     textFunction(func(s string) (string, error) { return filepath.Base(s), nil }),
		"dirname":      textFunction(func(s string) (string, error) { return filepath.Dir(s), nil }),
		"abspath":      textFunction(func(s string) (string, error) { return absolute(r.Dir, s), nil }),
		"pathexpand":   textFunction(r.pathExpand),
		"file":         textFunction(r.fileText),
		"fileexists":   r.fileExists(),
		"fileset":      r.fileSet(),
		"strcontains":  twoTexts(strings.Contains),
		"startswith":   twoTexts(strings.HasPrefix),
		"endswith":     twoTexts(strings.HasSuffix),
		"timestamp":    clock(func() string { return r.now.Format("2006-01-02T15:04:05Z07:00") }),
		"isotime":      r.isotimeFunction(),
		"env":          refusing("only the default of a variable may read the environment; write a variable with default = env(\"NAME\")"),
	}
	f["legacy_isotime"] = f["isotime"]
	f["templatefile"] = r.templateFile(maps.Clone(f)) // which cannot call itself
	for name, why := range refusedFunctions {
		f[name] = refusing(why)
	}
	return f
}

// defaultFunctions are those that the default of a variable may use: it may read the environment.
func (r *reader) defaultFunctions() map[string]function.Function {
	f := r.hclFunctions()
	f["env"] = textFunction(func(name string) (string, error) { return r.Env(name), nil })
	return f
}

// textFunction makes a function of a text that returns a text.
func textFunction(f func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s, err := f(args[0].AsString())
			return cty.StringVal(s), err
		},
	})
}

func twoTexts(f func(text, part string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}, {Name: "part", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(f(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

func sumFunction(h func() hash.Hash) function.Function {
	return textFunction(func(s string) (string, error) {
		sum := h()
		sum.Write([]byte(s))
		return hex.EncodeToString(sum.Sum(nil)), nil
	})
}

// lengthFunction counts the items of a list or map, or the letters of a text.
var lengthFunction = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true}},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		switch t := args[0].Type(); {
		case t == cty.String:
			return stdlib.Strlen(args[0])
		case t.IsObjectType():
			return cty.NumberIntVal(int64(len(t.AttributeTypes()))), nil
		}
		return stdlib.Length(args[0])
	},
})

// indexFunction finds where in a list a value is.
var indexFunction = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}, {Name: "value", Type: cty.DynamicPseudoType}},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if !args[0].CanIterateElements() || args[0].Type().IsMapType() || args[0].Type().IsObjectType() {
			return cty.NilVal, function.NewArgErrorf(0, "want a list")
		}
		for i, item := range args[0].AsValueSlice() {
			if equal, err := stdlib.Equal(item, args[1]); err == nil && isTrue(equal) {
				return cty.NumberIntVal(int64(i)), nil
			}
		}
		return cty.NilVal, errors.New("the list does not have it")
	},
})

func isTrue(v cty.Value) bool  { return v.IsKnown() && !v.IsNull() && v.Type() == cty.Bool && v.True() }
func isFalse(v cty.Value) bool { return !isTrue(v) }

func truths(f func([]cty.Value) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(f(args[0].AsValueSlice())), nil
		},
	})
}

// templateFile makes the function that renders a file in which ${…} may use the given values and functions.
func (r *reader) templateFile(functions map[string]function.Function) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "values", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name := args[0].AsString()
			content, err := r.fileText(name)
			if err != nil {
				return cty.NilVal, err
			}
			if t := args[1].Type(); !t.IsObjectType() && !t.IsMapType() || args[1].IsNull() {
				return cty.NilVal, function.NewArgErrorf(1, "want an object of values")
			}
			expr, diags := hclsyntax.ParseTemplate([]byte(content), name, hcl.InitialPos)
			if diags.HasErrors() {
				return cty.NilVal, diags
			}
			if slices.ContainsFunc(expr.Variables(), func(v hcl.Traversal) bool { return !hasField(args[1], v.RootName()) }) {
				return cty.NilVal, fmt.Errorf("%s uses a value that is not given", name)
			}
			value, diags := expr.Value(&hcl.EvalContext{Variables: args[1].AsValueMap(), Functions: functions})
			if diags.HasErrors() {
				return cty.NilVal, diags
			}
			return convert.Convert(value, cty.String)
		},
	})
}

func hasField(object cty.Value, name string) bool {
	_, ok := object.AsValueMap()[name]
	return ok
}

func clock(f func() string) function.Function {
	return function.New(&function.Spec{
		Type: function.StaticReturnType(cty.String),
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) { return cty.StringVal(f()), nil },
	})
}

// refusing makes a function that takes anything and says why it cannot be used.
func refusing(why string) function.Function {
	return function.New(&function.Spec{
		VarParam: &function.Parameter{Name: "any", Type: cty.DynamicPseudoType, AllowMarked: true, AllowNull: true, AllowUnknown: true, AllowDynamicType: true},
		Type:     func([]cty.Value) (cty.Type, error) { return cty.String, errors.New(why) },
		Impl:     func([]cty.Value, cty.Type) (cty.Value, error) { return cty.NilVal, errors.New(why) },
	})
}

func (r *reader) isotimeFunction() function.Function {
	s := scope{now: r.now}
	return function.New(&function.Spec{
		VarParam: &function.Parameter{Name: "layout", Type: cty.String},
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			var layouts []string
			for _, a := range args {
				layouts = append(layouts, a.AsString())
			}
			text, err := s.isotime(layouts...)
			return cty.StringVal(text), err
		},
	})
}

func (r *reader) pathExpand(name string) (string, error) {
	rest, ok := strings.CutPrefix(name, "~")
	if !ok || rest != "" && rest[0] != '/' {
		return name, nil
	}
	home := r.Env("HOME")
	if home == "" {
		return "", errors.New("HOME is not set")
	}
	return home + rest, nil
}

func (r *reader) fileText(name string) (string, error) {
	data, err := r.readFile(name, place{})
	if err != nil {
		return "", errors.New(strings.TrimPrefix(err.Error(), ": "))
	}
	return string(data), nil
}

func (r *reader) fileExists() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			info, err := os.Stat(absolute(r.Dir, args[0].AsString()))
			return cty.BoolVal(err == nil && info.Mode().IsRegular()), nil
		},
	})
}

func (r *reader) fileSet() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "pattern", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Set(cty.String)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			matches, err := doublestar.Glob(os.DirFS(absolute(r.Dir, args[0].AsString())), args[1].AsString(), doublestar.WithFilesOnly())
			if err != nil {
				return cty.NilVal, fmt.Errorf("cannot use the pattern %q: %w", args[1].AsString(), err)
			}
			if len(matches) == 0 {
				return cty.SetValEmpty(cty.String), nil
			}
			slices.Sort(matches)
			var values []cty.Value
			for _, m := range matches {
				values = append(values, cty.StringVal(m))
			}
			return cty.SetVal(values), nil
		},
	})
}
