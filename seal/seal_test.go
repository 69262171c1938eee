package seal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
)

func TestBox(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys", "webhooks.key")
	first, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := first.Seal([]byte("s3cret"))
	if err != nil || strings.Contains(sealed, "s3cret") {
		t.Fatal(sealed, err)
	}
	if other, _ := first.Seal([]byte("s3cret")); other == sealed {
		t.Error("the same secret looks the same twice")
	}
	again, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if secret, err := again.Open(sealed); err != nil || string(secret) != "s3cret" {
		t.Errorf("after a restart: %q, %v", secret, err)
	}
	stranger, err := Open(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"of another key": sealed, "damaged": sealed[:len(sealed)-5] + "AAAA=", "cut short": form, "of another form": "age:x", "empty": "",
	} {
		if secret, err := stranger.Open(text); slipway.CodeOf(err) != slipway.Corrupt {
			t.Errorf("%s: %q, %v", name, secret, err)
		}
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := Open(path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); slipway.CodeOf(err) != slipway.Unprepared {
		t.Errorf("others can read it: %v", err)
	}
	for _, text := range []string{"", "short", "!!"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); slipway.CodeOf(err) != slipway.Corrupt {
			t.Errorf("%q: %v", text, err)
		}
	}
}
