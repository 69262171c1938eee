package check_test

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/agent"
	"github.com/slipway-sh/slipway/check"
)

// tree is a machine's files, as slipway-agent tells of them.
type tree map[string]tar.Header

const passwd = "root:x:0:0:root:/root:/bin/bash\nbroken line\napp:x:1000:1000::/srv/app:/usr/sbin/nologin\n"

var content = map[string]string{
	"/etc/passwd": passwd,
	"/etc/group":  "root:x:0:\napp:x:1000:\nssl:x:100:other,app\nadm:x:4:other\n",
	"/etc/conf":   "colour = red\n",
	"/var/lib/dpkg/status": `Package: nginx-light
Status: install ok installed
Architecture: amd64
Version: 1.22.1-9
Description: small server
 Version: not this one

Package: vim
Status: deinstall ok config-files
Version: 9.0
`,
}

func machine() tree {
	t := tree{
		"/srv":     {Typeflag: tar.TypeDir, Mode: 0o2755, Uid: 1000, Gid: 50},
		"/link":    {Typeflag: tar.TypeSymlink, Linkname: "/etc/conf", Mode: 0o777},
		"/pipe":    {Typeflag: tar.TypeFifo, Mode: 0o600},
		"/faulty":  {Typeflag: tar.TypeReg, PAXRecords: map[string]string{agent.FaultRecord: "input/output error"}},
		"/etc/pam": {Typeflag: tar.TypeReg, Mode: 0o640},
	}
	for name := range content {
		t[name] = tar.Header{Typeflag: tar.TypeReg, Mode: 0o644}
	}
	return t
}

// Exec implements the one method of a provider that is needed.
func (t tree) Exec(_ context.Context, _ string, e slipway.Exec) (slipway.ExecResult, error) {
	if !slices.Equal(e.Command, []string{agent.Path, "look"}) || e.User != "0" {
		return slipway.ExecResult{ExitCode: 127}, nil
	}
	var looks []agent.Look
	if err := json.NewDecoder(e.Stdin).Decode(&looks); err != nil {
		return slipway.ExecResult{}, err
	}
	w := tar.NewWriter(e.Stdout)
	for _, l := range looks {
		h, ok := t[l.Path]
		if !ok {
			continue
		}
		h.Name, h.Format = l.Path, tar.FormatPAX
		if l.Content {
			h.Size = int64(len(content[l.Path]))
		}
		if err := w.WriteHeader(&h); err != nil {
			return slipway.ExecResult{}, err
		}
		if l.Content {
			if _, err := io.WriteString(w, content[l.Path]); err != nil {
				return slipway.ExecResult{}, err
			}
		}
	}
	return slipway.ExecResult{}, w.Close()
}

type looked struct {
	slipway.Provider
	tree
	runs int
}

func (l *looked) Exec(ctx context.Context, id string, e slipway.Exec) (slipway.ExecResult, error) {
	l.runs++
	return l.tree.Exec(ctx, id, e)
}

func file(f slipway.FileTest) slipway.Test        { return slipway.Test{File: &f} }
func packaged(p slipway.PackageTest) slipway.Test { return slipway.Test{Package: &p} }
func user(u slipway.UserTest) slipway.Test        { return slipway.Test{User: &u} }

func TestLook(t *testing.T) {
	sum := sha256.Sum256([]byte(content["/etc/conf"]))
	uid, other := 1000, 7
	cases := []struct {
		test   slipway.Test
		detail string // empty: passes
	}{
		{file(slipway.FileTest{Path: "/etc/conf"}), ""},
		{file(slipway.FileTest{Path: "/etc/conf", Type: "file", Mode: "0644", Owner: "0:0", Contains: "= red"}), ""},
		{file(slipway.FileTest{Path: "/etc/conf", SHA256: hex.EncodeToString(sum[:])}), ""},
		{file(slipway.FileTest{Path: "/etc/conf", SHA256: strings.ToUpper(hex.EncodeToString(sum[:]))}), ""},
		{file(slipway.FileTest{Path: "/etc/conf", SHA256: strings.Repeat("0", 64)}), "want SHA-256 0000"},
		{file(slipway.FileTest{Path: "/etc/conf", Contains: "blue"}), `want "blue" in it, it has "colour = red"`},
		{file(slipway.FileTest{Path: "/etc/conf", Absent: true}), "it is there: a file"},
		{file(slipway.FileTest{Path: "/none"}), "it is not there"},
		{file(slipway.FileTest{Path: "/none", Absent: true}), ""},
		{file(slipway.FileTest{Path: "/etc/pam", Mode: "640"}), ""},
		{file(slipway.FileTest{Path: "/etc/pam", Mode: "0600", Owner: "1:1"}), "want mode 0600, it has 0640; want owner 1:1, it has 0:0"},
		{file(slipway.FileTest{Path: "/srv", Type: "directory", Mode: "2755", Owner: "1000:50"}), ""},
		{file(slipway.FileTest{Path: "/srv", Type: "file"}), "want a file, it is a directory"},
		{file(slipway.FileTest{Path: "/srv", Contains: "x"}), "want a file with content, it is a directory"},
		{file(slipway.FileTest{Path: "/link", Type: "symlink", Target: "/etc/conf"}), ""},
		{file(slipway.FileTest{Path: "/link", Type: "symlink", Target: "/etc/other"}), "it leads to /etc/conf"},
		{file(slipway.FileTest{Path: "/link", Contains: "red"}), "it is a symlink"},
		{file(slipway.FileTest{Path: "/pipe", Type: "file"}), "device, pipe or socket"},
		{file(slipway.FileTest{Path: "/faulty"}), "input/output error"},
		{packaged(slipway.PackageTest{Name: "nginx-light"}), ""},
		{packaged(slipway.PackageTest{Name: "nginx-light", Version: "1.22.1-9"}), ""},
		{packaged(slipway.PackageTest{Name: "nginx-light:amd64"}), ""},
		{packaged(slipway.PackageTest{Name: "nginx-light:arm64"}), "it is not installed"},
		{packaged(slipway.PackageTest{Name: "nginx-light", Version: "1.23"}), "want version 1.23, 1.22.1-9 is installed"},
		{packaged(slipway.PackageTest{Name: "nginx-light", Absent: true}), "version 1.22.1-9 is installed"},
		{packaged(slipway.PackageTest{Name: "nginx"}), "it is not installed"},
		{packaged(slipway.PackageTest{Name: "vim"}), "it is not installed"},
		{packaged(slipway.PackageTest{Name: "vim", Absent: true}), ""},
		{user(slipway.UserTest{Name: "app"}), ""},
		{user(slipway.UserTest{Name: "app", UID: &uid, Groups: []string{"app", "ssl"}, Home: "/srv/app", Shell: "/usr/sbin/nologin"}), ""},
		{user(slipway.UserTest{Name: "app", UID: &other, Groups: []string{"adm"}, Home: "/", Shell: "/bin/sh"}),
			"want UID 7, it has 1000; want home /, it has /srv/app; want shell /bin/sh, it has /usr/sbin/nologin; want it in group adm, it is in app, ssl"},
		{user(slipway.UserTest{Name: "app", Absent: true}), "there is this user, with UID 1000"},
		{user(slipway.UserTest{Name: "nobody"}), "there is no such user"},
		{user(slipway.UserTest{Name: "nobody", Absent: true}), ""},
	}
	var tests []slipway.Test
	for _, c := range cases {
		tests = append(tests, c.test)
	}
	provider := &looked{tree: machine()}
	results := slices.Collect(check.Runner{Provider: provider}.All(t.Context(), slipway.Instance{}, slipway.Service{}, tests))
	if len(results) != len(cases) || provider.runs != 1 {
		t.Fatalf("%d results in %d runs, want %d in 1", len(results), provider.runs, len(cases))
	}
	for i, c := range cases {
		if r := results[i]; r.Name != check.Name(c.test) || r.Passed != (c.detail == "") || !strings.Contains(r.Detail, c.detail) {
			t.Errorf("%+v: want %q", r, c.detail)
		}
	}
}

func TestLookIntoAMachineWithNothingInIt(t *testing.T) {
	for name, c := range map[string]struct {
		test   slipway.Test
		detail string
	}{
		"a package":        {packaged(slipway.PackageTest{Name: "vim"}), "no /var/lib/dpkg/status"},
		"an absent one":    {packaged(slipway.PackageTest{Name: "vim", Absent: true}), ""},
		"a user":           {user(slipway.UserTest{Name: "app"}), "no /etc/passwd"},
		"an absent one, 2": {user(slipway.UserTest{Name: "app", Absent: true}), ""},
	} {
		result := check.Runner{Provider: &looked{}}.Run(t.Context(), slipway.Instance{}, slipway.Service{}, c.test)
		if result.Passed != (c.detail == "") || !strings.Contains(result.Detail, c.detail) {
			t.Errorf("%s: %+v, want %q", name, result, c.detail)
		}
	}
}

// Tests that look are done together, but not across others, which may change what they look at.
func TestOrder(t *testing.T) {
	provider := &looked{tree: machine()}
	conf := file(slipway.FileTest{Path: "/etc/conf"})
	command := slipway.Test{Command: &slipway.CommandTest{Run: []string{"x"}, Exit: 127}}
	tests := []slipway.Test{conf, conf, command, conf, conf, conf, command}
	var names []string
	for r := range (check.Runner{Provider: provider}).All(t.Context(), slipway.Instance{}, slipway.Service{}, tests) {
		names = append(names, r.Name)
	}
	want := "file /etc/conf|file /etc/conf|command x|file /etc/conf|file /etc/conf|file /etc/conf|command x"
	if strings.Join(names, "|") != want || provider.runs != 4 {
		t.Errorf("%v in %d runs, want 4", names, provider.runs)
	}
}

// A machine that tells nonsense fails the tests, and nothing hangs.
func TestLookAtNonsense(t *testing.T) {
	for name, says := range map[string]func(io.Writer) (int, error){
		"no tar": func(w io.Writer) (int, error) {
			_, err := io.WriteString(w, strings.Repeat("nonsense", 1000))
			return 0, err
		},
		"half a tar": func(w io.Writer) (int, error) { _, err := w.Write(make([]byte, 100)); return 0, err },
		"an error":   func(io.Writer) (int, error) { return 1, nil },
		"death":      func(io.Writer) (int, error) { return 0, slipway.Errorf(slipway.Conflict, "it has ended") },
	} {
		result := check.Runner{Provider: teller(says)}.Run(t.Context(), slipway.Instance{}, slipway.Service{}, file(slipway.FileTest{Path: "/x"}))
		if result.Passed || result.Detail == "" {
			t.Errorf("%s: %+v", name, result)
		}
	}
}

func teller(says func(io.Writer) (int, error)) slipway.Provider { return &telling{says: says} }

type telling struct {
	slipway.Provider
	says func(io.Writer) (int, error)
}

func (t *telling) Exec(_ context.Context, _ string, e slipway.Exec) (slipway.ExecResult, error) {
	code, err := t.says(e.Stdout)
	return slipway.ExecResult{ExitCode: code}, err
}
