package bake

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSourcesFor(t *testing.T) {
	const signed = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
	public := signed + "http://deb.debian.org/debian bookworm main\n" +
		signed + "http://deb.debian.org/debian bookworm-updates main\n" +
		signed + "http://deb.debian.org/debian-security bookworm-security main\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		suite string
		want  string
	}{
		{name: "nothing", suite: "bookworm", want: public},
		{
			name: "one-line form", suite: "trixie",
			files: map[string]string{"sources.list": `
# deb http://old.example/debian bookworm main
deb cdrom:[Debian GNU/Linux 12]/ bookworm main
deb [arch=amd64] http://mirror.example/debian/ bookworm main contrib non-free-firmware # comment
deb-src http://src.example/debian bookworm main
deb http://mirror.example/debian/ bookworm-updates main
deb http://sec.example/debian-security bookworm-security main
`},
			want: signed + "http://mirror.example/debian/ trixie main contrib non-free-firmware\n" +
				signed + "http://mirror.example/debian/ trixie-updates main contrib non-free-firmware\n" +
				signed + "http://sec.example/debian-security trixie-security main contrib non-free-firmware\n",
		},
		{
			name: "deb822 form beside third parties", suite: "bullseye",
			files: map[string]string{
				"sources.list.d/debian.sources": `Types: deb deb-src
# a comment
URIs: http://snapshot.debian.org/archive/debian/20250520T000000Z
Suites: bookworm
 bookworm-updates
Components: main non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://off.example/debian-security
Suites: bookworm-security
Components: main
Enabled: no
`,
				"sources.list.d/docker.list":     "deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.gpg] https://download.docker.com/linux/debian bookworm stable\n",
				"sources.list.d/a.list":          "deb [signed-by=/etc/apt/keyrings/a.gpg] https://a.example/debian bookworm main\n",
				"sources.list.d/ms.list":         "deb https://packages.microsoft.com/debian/12/prod bookworm main\n",
				"sources.list.d/pg.sources":      "Types: deb\nURIs: https://apt.postgresql.org/pub/repos/apt\nSuites: bookworm-pgdg\nComponents: main\n",
				"sources.list.d/old.list.backup": "deb http://backup.example/debian bookworm main\n",
			},
			want: signed + "http://snapshot.debian.org/archive/debian/20250520T000000Z bullseye main\n" +
				signed + "http://snapshot.debian.org/archive/debian/20250520T000000Z bullseye-updates main\n",
		},
		{
			name: "cloud image", suite: "bookworm",
			files: map[string]string{
				"sources.list.d/debian.sources": "Types: deb\nURIs: mirror+file:///etc/apt/mirrors/debian.list\nSuites: bookworm bookworm-updates bookworm-backports\nComponents: main\n\n" +
					"Types: deb\nURIs: mirror+file:///etc/apt/mirrors/debian-security.list\nSuites: bookworm-security\nComponents: main\n",
				"mirrors/debian.list":          "# mirrors\nhttps://deb.debian.org/debian\n",
				"mirrors/debian-security.list": "https://deb.debian.org/debian-security\n",
			},
			want: signed + "https://deb.debian.org/debian bookworm main\n" +
				signed + "https://deb.debian.org/debian bookworm-updates main\n" +
				signed + "https://deb.debian.org/debian-security bookworm-security main\n",
		},
		{
			name: "sid has no updates", suite: "sid",
			files: map[string]string{"sources.list": "deb http://m.example/debian bookworm main\n"},
			want:  signed + "http://m.example/debian sid main\n",
		},
		{
			name: "another distribution", suite: "bookworm",
			files: map[string]string{"sources.list": "deb http://archive.ubuntu.com/ubuntu noble main universe\n"},
			want:  public,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range c.files {
				p := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := sourcesFor(dir, c.suite)
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}
