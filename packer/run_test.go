package packer

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/slipway-sh/slipway"
)

// sandbox runs the scripts that are made of a template on this host, with the build context in a directory.
type sandbox struct {
	t       *testing.T
	dir     string // for the scripts to work in
	context string
	secrets string
	build   *Build
}

func newSandbox(t *testing.T, template string, files map[string]string) *sandbox {
	t.Helper()
	s := &sandbox{t: t, dir: t.TempDir(), context: t.TempDir(), secrets: t.TempDir()}
	for name, content := range files {
		write(t, filepath.Join(s.dir, name), content)
	}
	write(t, filepath.Join(s.dir, "t.json"), strings.ReplaceAll(template, "DIR", s.dir))
	loaded, err := Load(Options{Path: "t.json", Dir: s.dir})
	if err != nil {
		t.Fatal(err)
	}
	s.build = loaded.Builds[0]
	m, err := s.build.Manifest(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := m.Context(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tree, err := m.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	for _, e := range entries {
		name := filepath.Join(s.context, e.Path)
		if e.Dir {
			err = os.Mkdir(name, 0o755)
		} else {
			var content []byte
			if content, err = fs.ReadFile(tree, e.Path); err == nil {
				text := strings.NewReplacer(visible, s.context, "/run/secrets", s.secrets).Replace(string(content))
				err = os.WriteFile(name, []byte(text), os.FileMode(e.Mode))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range s.build.Secrets() {
		write(t, filepath.Join(s.secrets, name), string(value))
	}
	return s
}

// run runs the layer with this number and returns what it printed and its exit status.
func (s *sandbox) run(number int) (string, int) {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(s.context, s.build.image.Layers[number-1].Run.Script))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// shellTemplate returns a template with one shell provisioner, whose script is put into a directory of the test.
func shellTemplate(settings string) string {
	return `{"variables": {"password": "pa$$'word"}, "sensitive-variables": ["password"], "builders": [` + docker + `],
		"provisioners": [{"type": "shell", "remote_folder": "DIR", ` + settings + `}]}`
}

func TestShellRuns(t *testing.T) {
	for name, test := range map[string]struct {
		settings string
		files    map[string]string
		want     string // of the output
		status   int
	}{
		"inline":               {settings: `"inline": ["A=1", "echo $A $PACKER_BUILD_NAME $PACKER_BUILDER_TYPE"]`, want: "1 docker docker\n"},
		"fails at the first":   {settings: `"inline": ["false", "echo on"]`, status: 1},
		"quotes":               {settings: `"inline": ["echo \"$Q\""], "environment_vars": ["Q=it's \"$HOME\" ; \\ *"]`, want: "it's \"$HOME\" ; \\ *\n"},
		"environment in a map": {settings: `"inline": ["echo \"$A|$B\""], "environment_vars": ["A=1", "B=1"], "env": {"B": "2"}`, want: "1|2\n"},
		"environment in a file": {
			settings: `"inline": ["echo \"$Q $PACKER_BUILD_NAME\""], "environment_vars": ["Q=it's"], "use_env_var_file": true`, want: "it's docker\n",
		},
		"secret":           {settings: "\"inline\": [\"echo \\\"$P\\\"\"], \"environment_vars\": [\"P=<{{user `password`}}>\"]", want: "<pa$$'word>\n"},
		"secret in a file": {settings: "\"inline\": [\"echo \\\"$P\\\"\"], \"env\": {\"P\": \"{{user `password`}}\"}, \"use_env_var_file\": true", want: "pa$$'word\n"},
		"sudo": {
			settings: `"inline": ["echo $V as $(id -un)"], "environment_vars": ["V=x"], "execute_command": "echo 'vagrant' | {{.Vars}} sudo -S -E sh -eu '{{.Path}}'"`,
			want:     "x as root\n",
		},
		"sudo with variables": {settings: `"inline": ["echo $V"], "environment_vars": ["V=x y"], "execute_command": "sudo -nE env {{.Vars}} bash {{.Path}}"`, want: "x y\n"},
		"sudo as another":     {settings: `"inline": ["sudo -u nobody id -un", "sudo -Hu nobody -- id -un"]`, want: "nobody\nnobody\n"},
		"tries again":         {settings: `"inline": ["echo try >>DIR/tries", "test $(wc -l <DIR/tries) -eq 3"], "max_retries": 2`, want: "exit status 1: trying again\nexit status 1: trying again\n"},
		"tries in vain":       {settings: `"inline": ["exit 7"], "max_retries": 1, "use_env_var_file": true`, want: "exit status 7: trying again\n", status: 7},
		"valid status":        {settings: `"inline": ["exit 3"], "valid_exit_codes": [0, 3]`},
		"invalid success":     {settings: `"inline": ["true"], "valid_exit_codes": [3]`, want: "exit status 0 is none of 3\n", status: 1},
		"shebang":             {settings: `"inline": ["echo ${BASH_VERSION:+bash}"], "inline_shebang": "/bin/bash"`, want: "bash\n"},
		"script":              {settings: `"script": "s.sh"`, files: map[string]string{"s.sh": "#!/bin/sh\r\necho script\r\n"}, want: "script\n"},
		"binary":              {settings: `"script": "s.sh", "binary": true`, files: map[string]string{"s.sh": "#!/bin/sh\nprintf 'a\r\n'\n"}, want: "a\r\n"},
		"odd name":            {settings: `"script": "a b'c*.sh"`, files: map[string]string{"a b'c*.sh": "#!/bin/sh\necho odd\n"}, want: "odd\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSandbox(t, shellTemplate(test.settings), test.files)
			out, status := s.run(1)
			out = strings.ReplaceAll(out, s.dir, "DIR")
			if out != test.want || status != test.status {
				t.Errorf("printed %q, exit status %d", out, status)
			}
			left, err := filepath.Glob(filepath.Join(s.dir, "*_1.sh"))
			if err != nil || len(left) > 0 {
				t.Errorf("left %v, %v", left, err)
			}
			for _, file := range s.build.context.made {
				if bytes.Contains(file.content, []byte("pa$$")) {
					t.Errorf("%s has the secret", file.name)
				}
			}
		})
	}
}

func TestSecretThatIsNotThere(t *testing.T) {
	s := newSandbox(t, shellTemplate("\"inline\": [\"true\"], \"environment_vars\": [\"P={{user `password`}}\"]"), nil)
	if err := os.Remove(filepath.Join(s.secrets, "password")); err != nil {
		t.Fatal(err)
	}
	if out, status := s.run(1); status != 1 || out != "there is no secret password\n" {
		t.Errorf("printed %q, exit status %d", out, status)
	}
}

// TestAnsibleRuns has a program of the test in the place of ansible-playbook: it tells what it is asked, and where.
func TestAnsibleRuns(t *testing.T) {
	s := newSandbox(t, `{"builders": [`+docker+`], "provisioners": [{
			"type": "ansible-local", "playbook_dir": "books", "playbook_file": "books/site.yml", "role_paths": ["roles/web"],
			"command": "sh DIR/told.sh", "staging_directory": "DIR/staging", "extra_arguments": ["--tags", "a"], "clean_staging_directory": true
		}]}`, map[string]string{
		"books/site.yml":           "site",
		"roles/web/tasks/main.yml": "web",
		"told.sh":                  `echo "$@"; pwd; find . -type f | sort; cat packer-provisioner-ansible-local`,
	})
	out, status := s.run(1)
	want := `site.yml --extra-vars packer_build_name=docker packer_builder_type=docker --tags a -c local -i DIR/staging/packer-provisioner-ansible-local
DIR/staging
./packer-provisioner-ansible-local
./roles/web/tasks/main.yml
./site.yml
127.0.0.1
`
	if diff := cmp.Diff(want, strings.ReplaceAll(out, s.dir, "DIR")); diff != "" || status != 0 {
		t.Errorf("exit status %d, want -, got +:\n%s", status, diff)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "staging")); !os.IsNotExist(err) {
		t.Errorf("the staging directory is left: %v", err)
	}
}

// TestQuoted proves that a shell sees the same text, whatever that is.
func TestQuoted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("a'\"$`\\ \n*;&|(){}<>~#!=é")), 0, 40, -1).Draw(t, "text")
		out, err := exec.Command("/bin/sh", "-c", "printf %s "+quoted(text)).Output()
		if err != nil || string(out) != text {
			t.Fatalf("%q became %q, %v", text, out, err)
		}
	})
}

// TestAsPacker bakes a template with Debian's packer and with this package, twice each, and compares the files that come out.
func TestAsPacker(t *testing.T) {
	program, err := exec.LookPath("packer")
	if err != nil {
		t.Skip("there is no packer to compare with")
	}
	const template = `{
		"variables": {"who": "world"},
		"builders": [
			{"type": "file", "name": "note", "content": "hello {{user ` + "`who` | upper" + `}}\n", "target": "out/note.txt"},
			{"type": "file", "source": "from.bin", "target": "out/copy.bin"}
		],
		"post-processors": [
			{"type": "manifest", "custom_data": {"who": "{{user ` + "`who`" + `}}"}},
			{"type": "manifest", "output": "m/stripped.json", "strip_path": true, "strip_time": true, "only": ["note"]},
			{"type": "checksum"},
			[
				{"type": "checksum", "checksum_types": ["sha1", "sha224", "sha256", "sha384", "sha512"], "output": "sums/{{.BuildName}}.{{.BuilderType}}.{{.ChecksumType}}"},
				{"type": "manifest", "output": "after.json"}
			]
		]
	}`
	theirs, ours := t.TempDir(), t.TempDir()
	for _, dir := range []string{theirs, ours} {
		write(t, filepath.Join(dir, "t.json"), template)
		write(t, filepath.Join(dir, "from.bin"), "\x00\x01\r\n")
		for _, sub := range []string{"m", "out"} {
			if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range []string{"note", "file", "note", "file"} { // one at a time: packer makes several in any order
		cmd := exec.Command(program, "build", "-only="+name, "t.json")
		cmd.Dir, cmd.Env = theirs, append(os.Environ(), "CHECKPOINT_DISABLE=1", "PACKER_NO_COLOR=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("packer: %v\n%s", err, out)
		}
		loaded, err := Load(Options{Path: "t.json", Dir: ours, Only: []string{name}})
		if err != nil {
			t.Fatal(err)
		}
		if err := loaded.Builds[0].File.Write(); err != nil {
			t.Fatal(err)
		}
		if err := loaded.Builds[0].Finish(NewRun(), "", ""); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(tree(t, theirs), tree(t, ours)); diff != "" {
		t.Errorf("packer -, slipway +:\n%s", diff)
	}
}

// tree reads all files of a directory. What is another in every run is taken out.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	varying := regexp.MustCompile(`("build_time": )[1-9][0-9]*|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var list manifestList
		if strings.HasSuffix(name, ".json") && json.Unmarshal(content, &list) == nil && list.LastRun != "" {
			content = varying.ReplaceAll(content, []byte("$1-"))
		}
		files[strings.TrimPrefix(name, dir)] = string(content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestFinishImage(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "t.json"), `{"builders": [`+docker+`], "post-processors": ["manifest", [{"type": "checksum"}, {"type": "manifest", "output": "2.json"}]]}`)
	loaded, err := Load(Options{Path: "t.json", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	digest := slipway.DigestOf([]byte("image"))
	run := NewRun()
	if err := loaded.Builds[0].Finish(run, "hello", digest); err != nil {
		t.Fatal(err)
	}
	files := tree(t, dir)
	if got, want := files["/packer_docker_docker_sha256.checksum"], strings.TrimPrefix(string(digest), "sha256:")+"\thello\n"; got != want {
		t.Errorf("checksum %q", got)
	}
	content, err := os.ReadFile(filepath.Join(dir, "packer-manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list manifestList
	if err := json.Unmarshal(content, &list); err != nil {
		t.Fatal(err)
	}
	want := manifestList{LastRun: run.UUID, Builds: []manifestBuild{{
		Name: "docker", Type: "docker", Time: run.Time.Unix(), ArtifactID: string(digest), Run: run.UUID,
	}}}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Error(diff)
	}
	write(t, filepath.Join(dir, "packer-manifest.json"), "no JSON")
	err = loaded.Builds[0].Finish(run, "hello", digest)
	if err == nil || !strings.Contains(err.Error(), "cannot write the manifest packer-manifest.json: there is a file of this name that is no manifest") {
		t.Errorf("got %v", err)
	}
}
