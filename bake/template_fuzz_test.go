package bake

import (
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
)

// Templates that would go on for ever, or write without end, are ended.
func TestTemplatesEnd(t *testing.T) {
	doubled := `{{define "t0"}}{{end}}`
	for _, n := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"} {
		below := string(n[0] - 1)
		doubled += `{{define "t` + n + `"}}` + strings.Repeat(`{{template "t`+below+`"}}`, 8) + `{{end}}`
	}
	for name, text := range map[string]string{
		"a loop":           `{{range 1000000000}}{{end}}`,
		"loops in loops":   `{{range 100000}}{{range 100000}}{{range 100000}}{{end}}{{end}}{{end}}`,
		"itself":           `{{define "a"}}{{template "a"}}{{end}}{{template "a"}}`,
		"each twice":       doubled + `{{template "t9"}}`,
		"much text":        `{{range 100000000}}` + strings.Repeat("x", 1000) + `{{end}}`,
		"a wide number":    `{{range 100}}{{printf "%0999999d" 1}}{{end}}`,
		"an empty if":      `{{range 1000000000}}{{if .}}{{else}}{{end}}{{end}}`,
		"somebody's _step": `{{range 100}}{{_step "x"}}{{end}}`,
	} {
		if out, err := renderText(t.Context(), "x.tmpl", text, "hello", nil); slipway.CodeOf(err) != slipway.Invalid {
			t.Errorf("%s: %d bytes, %v", name, len(out), err)
		}
	}
	out, err := renderText(t.Context(), "x.tmpl", "{{range $k, $v := .Values}}{{$k}}={{$v}} {{end}}{{with .Application}}{{.}}{{end}}", "hello", map[string]string{"a": "1", "b": "2"})
	if err != nil || string(out) != "a=1 b=2 hello" {
		t.Errorf("%q, %v", out, err)
	}
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"{{.Application}}", "{{range .Values}}{{.}}{{end}}", `{{define "a"}}{{template "a"}}{{end}}{{template "a"}}`, "{{", "{{/* */}}", "{{range 9}}{{break}}{{end}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := renderText(t.Context(), "x.tmpl", text, "hello", map[string]string{"a": "b"}); err != nil && slipway.CodeOf(err) != slipway.Invalid {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
