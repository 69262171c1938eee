package bake

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// However output comes in pieces, and whatever is around a secret, it is not shown.
func TestMaskedTranscript(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringMatching(`[a-zA-Z0-9/+=" <&%-]{8,90}[a-z]`).Draw(t, "value")
		value = strings.TrimSpace(value)
		if len(value) < 8 {
			t.Skip("too short to be told from what is around")
		}
		around := rapid.StringMatching(`[.,:; ]{0,40}`).Draw(t, "around")
		many := strings.Repeat("#", rapid.SampledFrom([]int{0, 1, transcriptLine - 20, transcriptLine - 1, transcriptLine, 2*transcriptLine - 5}).Draw(t, "many"))
		forms := map[string]string{
			"raw": value, "hex": hex.EncodeToString([]byte(value)),
			"base64": base64.StdEncoding.EncodeToString([]byte(value)), "url base64": base64.RawURLEncoding.EncodeToString([]byte(value)),
		}
		form := rapid.SampledFrom([]string{"raw", "hex", "base64", "url base64"}).Draw(t, "form")
		text := many + around + forms[form] + around + "\nnext\n"
		var out bytes.Buffer
		tr := &transcript{out: &out, mask: newMask([]secret{{"s", []byte(value + "\n")}})}
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			_, _ = tr.Write([]byte(rest[:n]))
			rest = rest[n:]
		}
		shown := strings.ReplaceAll(out.String(), "\n", "") + strings.Join(tr.lines(), "")
		if strings.Contains(shown, forms[form]) {
			t.Fatalf("%s is shown: %s", form, out.String())
		}
		if !strings.Contains(out.String(), hidden) || !strings.HasSuffix(out.String(), "next\n") {
			t.Fatalf("got %q", out.String())
		}
		if got := strings.Count(out.String(), "#"); got < len(many) {
			t.Fatalf("%d of %d other characters are shown", got, len(many))
		}
	})
}

// An encoding that is broken over lines is hidden on each of them.
func TestMaskBrokenLines(t *testing.T) {
	value := strings.Repeat("a long secret of many words ", 20)
	for _, width := range []int{30, 64, 76, 200} {
		for _, before := range []string{"", "x", "before it"} {
			encoded := base64.StdEncoding.EncodeToString([]byte(before + value))
			var out bytes.Buffer
			tr := &transcript{out: &out, mask: newMask([]secret{{"s", []byte(value)}})}
			for len(encoded) > width {
				_, _ = tr.Write([]byte(encoded[:width] + "\n"))
				encoded = encoded[width:]
			}
			_, _ = tr.Write([]byte(encoded + "\nnext\n"))
			if shown := strings.NewReplacer(hidden, "", "\n", "", "next", "").Replace(out.String()); len(shown) > len(before)*4/3+8 {
				t.Errorf("lines of %d behind %q: shown %q", width, before, shown)
			}
		}
	}
}

func TestLeaks(t *testing.T) {
	const value = "correct horse battery staple"
	encoded := base64.StdEncoding.EncodeToString([]byte("xy" + value + "z"))
	l := newLeaks([]secret{{"s", []byte(value + "\n")}})
	none := func(string) bool { return false }
	for _, c := range []struct {
		name  string
		write func(dir string) error
		want  string
	}{
		{"nothing", func(dir string) error { return os.WriteFile(dir+"/a", []byte("correct horse battery stapl"), 0o600) }, ""},
		{"at the edge of what is read at once", func(dir string) error {
			return os.WriteFile(dir+"/a", append(make([]byte, 1<<20-10), value...), 0o600)
		}, "/a"},
		{"behind a hole", func(dir string) error {
			f, err := os.Create(dir + "/a")
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteAt([]byte(value), 1<<40)
			return err
		}, "/a"},
		{"broken at every character", func(dir string) error {
			return os.WriteFile(dir+"/a", []byte(strings.Join(strings.Split(encoded, ""), "\r\n")), 0o600)
		}, "/a"},
		{"in a directory's name", func(dir string) error { return os.MkdirAll(filepath.Join(dir, "b", encoded), 0o700) }, "/b/" + encoded},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := c.write(dir); err != nil {
				t.Fatal(err)
			}
			file, name, err := l.below(t.Context(), dir, none)
			if err != nil || file != c.want || (name == "s") != (c.want != "") {
				t.Errorf("got %q in %q, %v, want %q", name, file, err, c.want)
			}
			if file, name, err := l.below(t.Context(), dir, func(string) bool { return true }); err != nil || name != "" {
				t.Errorf("got %q in %q, %v, although nothing was to be looked at", name, file, err)
			}
		})
	}
}
