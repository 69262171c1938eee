package bake

import (
	"slices"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
)

func TestParseURIs(t *testing.T) {
	const a, b = "1896a2aacf4ad681ff5eacc24a5b0ca4d5d9c9b9c9e4b6de5197bc1e116ea619", "ba4f88f73dbc3ae9055f3c20f4523bfdbaf1ad13ff95e258924f77d20b4fbedf"
	debs, err := parseURIs(`Reading package lists...
The following NEW packages will be installed:
  nginx libc6
'http://deb.debian.org/debian/pool/main/n/nginx/nginx_1.22.1-9%2bdeb12u4_amd64.deb' nginx_1%3a1.22.1-9+deb12u4_amd64.deb 520 SHA256:` + a + `
'http://deb.debian.org/debian/pool/main/g/glibc/libc6_2.36_all.deb' libc6_2.36%5f1_all.deb 7 SHA256:` + b + "\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []deb{
		{slipway.LockedPackage{Name: "libc6", Version: "2.36_1", Architecture: "all", Digest: "sha256:" + b, Size: 7}, "http://deb.debian.org/debian/pool/main/g/glibc/libc6_2.36_all.deb"},
		{slipway.LockedPackage{Name: "nginx", Version: "1:1.22.1-9+deb12u4", Architecture: "amd64", Digest: "sha256:" + a, Size: 520}, "http://deb.debian.org/debian/pool/main/n/nginx/nginx_1.22.1-9%2bdeb12u4_amd64.deb"},
	}
	if !slices.Equal(debs, want) {
		t.Errorf("got %+v, want %+v", debs, want)
	}
	for _, c := range []struct{ name, line, message string }{
		{"another hash", "'http://x/x_1_all.deb' x_1_all.deb 520 MD5Sum:8e7e741807b1e1939df8f58323affdcb", "its archive has no SHA-256 of it"},
		{"no hash", "'http://x/x_1_all.deb' x_1_all.deb 520 ", "its archive has no SHA-256 of it"},
		{"no version", "'http://x/x.deb' x_all.deb 520 SHA256:" + a, "read what apt would install"},
		{"no escape", "'http://x/x.deb' x_1%zz_all.deb 520 SHA256:" + a, "read what apt would install"},
	} {
		if _, err := parseURIs(c.line + "\n"); err == nil || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.message)
		}
	}
}

// What a package says of itself cannot speak for where it lies and what it must be.
func TestStanza(t *testing.T) {
	p := slipway.LockedPackage{Name: "x", Digest: slipway.DigestOf(nil), Size: 3}
	got := stanza("Package: x\nFilename: /etc/shadow\nsha256: 00\nDescription: about x\n Size: it has one\n", p)
	want := "Package: x\nDescription: about x\n Size: it has one\nFilename: ./" + p.Digest.Hex() + ".deb\nSize: 3\nSHA256: " + p.Digest.Hex() + "\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
