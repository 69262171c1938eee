package bake_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/bake"
)

// token is a value of which every form looks different.
const token = `p@ss w0rd/"<&>+~correct?horse`

// wantNowhere fails the test if any file below the bakery's directory has a value in its content or name, in any form that a program would
// think of. It knows them by itself.
func (b *bakery) wantNowhere(value string) {
	b.t.Helper()
	forms := []string{
		value, hex.EncodeToString([]byte(value)), strings.ToUpper(hex.EncodeToString([]byte(value))), url.QueryEscape(value), url.PathEscape(value),
		strings.ReplaceAll(url.QueryEscape(value), "+", "%20"), strings.ToLower(url.QueryEscape(value)),
	}
	percent := ""
	for _, c := range []byte(value) {
		percent += fmt.Sprintf("%%%02x", c)
	}
	forms = append(forms, percent)
	text, err := json.Marshal(value)
	if err != nil {
		b.t.Fatal(err)
	}
	forms = append(forms, string(text[1:len(text)-1]), strings.ReplaceAll(value, `"`, `\"`))
	for _, before := range []string{"", "x", "xy"} {
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			// Without the digits at both ends that depend on what is around.
			whole := encoding.EncodeToString([]byte(before + value + "z"))
			forms = append(forms, strings.TrimRight(whole, "=")[3:len(whole)-5])
		}
	}
	err = filepath.WalkDir(b.dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		content := []byte(filepath.Base(p))
		if e.Type().IsRegular() {
			text, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			content = append(content, text...)
			content = append(content, bytes.ReplaceAll(text, []byte("\n"), nil)...)
		}
		for _, form := range forms {
			if bytes.Contains(content, []byte(form)) {
				b.t.Errorf("%s has %q", p, form)
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// withSecrets bakes a request with secrets, and returns what was printed.
func (b *bakery) withSecrets(req *slipway.BakeRequest, values map[string]string) ([]slipway.LayerBake, string, error) {
	var out shared
	layers, err := b.Build(b.t.Context(), bake.Job{ID: "b-test", Request: req, Watch: watch(&out), Secrets: func(_ context.Context, name string) ([]byte, error) {
		if value, ok := values[name]; ok {
			return []byte(value), nil
		}
		return nil, slipway.Errorf(slipway.NotFound, "cannot find the secret %s", name)
	}})
	return layers, out.String(), err
}

func needs(names ...string) func(*slipway.RunLayer) {
	return func(r *slipway.RunLayer) { r.Secrets = names }
}

// forms prints the secret t in many forms, as programs would.
const forms = `
v=$(cat /run/secrets/t)
echo "raw $v"
printf '%s' "${v%horse}"; printf '%s\n' horse
echo "raw $v" >&2
printf '%s' "$v" | base64
printf '%s' "$v" | base64 -w0 | tr '+/' '-_' | tr -d '='; echo
printf 'x%s' "$v" | base64 -w0; echo
printf 'user:%s and what else has to be said, so that the line is broken somewhere in there' "$v" | base64
printf '%s' "$v" | od -An -v -tx1 | tr -d ' \n'; echo
printf '%s' "$v" | od -An -v -tx1 | tr -d ' \n' | sed 's/../%&/g'; echo
printf '%s' "$v" | sed 's/%/%25/g; s/ /+/g; s|/|%2F|g; s/"/%22/g; s/</%3C/g; s/>/%3E/g; s/&/%26/g; s/@/%40/g; s/?/%3F/g'; echo
printf '%s' "$v" | sed 's|/|\\/|g; s/"/\\"/g'; echo
printf '%s' "$v" | sed 's/"/\\"/g; s/</\\u003c/g; s/>/\\u003E/g; s/&/\\u0026/g'; echo
printf '\033[1m%s\r\n' "$v"
`

// wantHidden fails the test unless the output of forms shows each line, and the secret in none.
func (b *bakery) wantHidden(out string) {
	b.t.Helper()
	if n := strings.Count(out, "***"); n < 13 {
		b.t.Errorf("hidden %d times only:\n%s", n, out)
	}
	log := filepath.Join(b.dir, "log")
	if err := os.WriteFile(log, []byte(out), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.wantNowhere(token)
	if err := os.Remove(log); err != nil {
		b.t.Fatal(err)
	}
}

func TestSecrets(t *testing.T) {
	needsRoot(t)
	b := newBakery(t)
	req := b.runLayer(forms+`
set -e
[ "$(ls /run/secrets)" = t ]
[ "$(ls -ln /run/secrets | { read total; read mode n owner group rest; echo $mode $owner $group; })" = "-r-------- 0 0" ]
if echo x 2>&- >/run/secrets/new; then exit 9; fi
echo done >/etc/done`, needs("t"))
	layers, out, err := b.withSecrets(req, map[string]string{"t": token, "other": "not asked for"})
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wantLines(t, b.list(layers[1].LayerInfo), "d0755 /etc", `-0644 /etc/done "done\n"`)
	b.wantHidden(out)
	b.wantNothingLeft()

	// The value decides nothing, and is not needed for what is there already.
	if layers, _, err := b.withSecrets(req, map[string]string{"t": "another value"}); err != nil || !layers[1].Cached {
		t.Errorf("got %+v, %v, want it cached", layers, err)
	}
}

// The last lines in the error of a script that fails hide what its output hides.
func TestSecretsInErrors(t *testing.T) {
	needsRoot(t)
	b := newBakery(t)
	_, out, err := b.withSecrets(b.runLayer(forms+"exit 3", needs("t")), map[string]string{"t": token})
	wantError(t, err, slipway.Failed, "image.layers[0].run", "exit status 3")
	for _, text := range []string{err.Error(), out} {
		b.wantHidden(text)
	}
	b.wantNothingLeft()
}

// A script that leaves its secret in the image fails, and nothing is left of it.
func TestSecretsLeft(t *testing.T) {
	needsRoot(t)
	const long = token + "\nand much more of it, so that its base64 goes over several lines of seventy-six characters\n"
	for _, c := range []struct{ name, script, file string }{
		{"the file", "cp() { cat $1 >$2; }; cp /run/secrets/t /etc/config", "/etc/config"},
		{"in a file that is there", "cat /run/secrets/t >>/etc/a", "/etc/a"},
		{"without its last line break", `printf 'password=%s' "$(cat /run/secrets/t)" >/etc/config`, "/etc/config"},
		{"far behind", "while :; do echo $i; i=x$i; [ ${#i} -lt 3000 ] || break; done >/etc/config; cat /run/secrets/t >>/etc/config", "/etc/config"},
		{"in base64", "base64 /run/secrets/t >/etc/config", "/etc/config"},
		{"in base64 within something", "{ printf user:; cat /run/secrets/t; } | base64 >/etc/config", "/etc/config"},
		{"in digits", "od -An -v -tx1 /run/secrets/t | tr -d ' \n' >/etc/config", "/etc/config"},
		{"in a link", `ln -s "$(cat /run/secrets/t | base64 -w0)" /etc/link`, "/etc/link"},
		{"in a name", `mkdir "/etc/$(base64 -w0 /run/secrets/t | tr / _)"`, "/etc/***"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBakery(t)
			_, _, err := b.withSecrets(b.runLayer("set -e\n"+c.script, needs("t")), map[string]string{"t": long})
			wantError(t, err, slipway.Failed, "image.layers[0].run", "it left the secret t in "+c.file)
			b.wantNowhere(token)
			b.wantNothingLeft()
		})
	}
}

func TestSecretsMissing(t *testing.T) {
	needsRoot(t)
	b := newBakery(t)
	req := b.runLayer("echo ran", needs("t", "u"))
	for _, c := range []struct {
		name, handle string
		values       map[string]string
		message      string
	}{
		{"no secrets", "", nil, "cannot run provision/setup.sh: the secret u was not handed over; with slipway bake, add --secret u=env:VARIABLE"},
		{"dropped", "s-x", nil, "cannot run provision/setup.sh: the secret u is not there"},
		{"too short", "s-x", map[string]string{"u": "abc\n\n"}, "the secret u has less than 4 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req.Secrets = c.handle
			values := map[string]string{"t": token}
			for name, value := range c.values {
				values[name] = value
			}
			_, out, err := b.withSecrets(req, values)
			wantError(t, err, slipway.Invalid, "image.layers[0].run.secrets[1]", c.message)
			if strings.Contains(out, "ran") {
				t.Errorf("the script ran: %s", out)
			}
			b.wantNothingLeft()
		})
	}
	_, err := b.Build(t.Context(), bake.Job{ID: "b-test", Request: req, Watch: watch(&shared{})})
	wantError(t, err, slipway.Invalid, "image.layers[0].run.secrets[0]", "the secret t is not there")
}

// Secrets that look alike are all hidden.
func TestManySecrets(t *testing.T) {
	needsRoot(t)
	b := newBakery(t)
	values := map[string]string{"short": "abcd", "long": "abcdefgh", "inner": "cdefghij", "lines": "-----BEGIN-----\nc2VjcmV0\n-----END-----\n"}
	var names []string
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	_, out, err := b.withSecrets(b.runLayer(`echo 1 abcd 2 abcdefgh 3 xabcdefghij 4; cat /run/secrets/lines`, needs(names...)), values)
	if err != nil {
		t.Fatal(err)
	}
	if want := "1 *** 2 *** 3 x*** 4\n***\n***\n***\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
	b.wantNowhere(values["lines"])
}
