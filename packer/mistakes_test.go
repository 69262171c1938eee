package packer

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
)

// jsonMistakes are templates in JSON, called t.json, and the errors that they give, one on each line.
var jsonMistakes = map[string]struct{ template, want string }{
	"nothing":              {``, `t.json:1:1: cannot read it as JSON: it ends in the middle`},
	"half":                 {`{"builders": [`, `t.json:1:15: cannot read it as JSON: it ends in the middle`},
	"comma":                {"{\n  \"builders\": [],\n}", `t.json:3:1: cannot read it as JSON: `},
	"no comma":             {"{\n  \"builders\": []\n  \"x\": 1\n}", `t.json:3:3: cannot read it as JSON: `},
	"text after":           {`{"builders": []} x`, `t.json:1:18: cannot use what follows the end`},
	"list":                 {`[]`, `t.json:1:1: cannot use a list as a template`},
	"key twice":            {`{"builders": [], "builders": []}`, `t.json:1:18: cannot have the key "builders" twice`},
	"root key":             {`{"builder": [` + docker + `]}`, "t.json:1:2: cannot use the key \"builder\": did you mean \"builders\"?"},
	"no builders":          {"{\n\"builders\": []}", `t.json:2:1: cannot build anything: the template has no builders`},
	"builder is text":      {`{"builders": ["docker"]}`, `t.json:1:15: cannot use the text "docker" here: want an object that is a builder`},
	"no type":              {`{"builders": [{}]}`, `t.json:1:15: cannot tell what this builder is: write its type`},
	"unknown builder":      {"{\"builders\": [\n  {\"type\": \"doker\"}]}", `t.json:2:12: cannot use the builder "doker": there is none of this name; did you mean "docker"?`},
	"unheard of":           {`{"builders": [{"type": "quantum-teleport"}]}`, `t.json:1:24: cannot use the builder "quantum-teleport": there is none of this name; want one of docker`},
	"cloud":                {`{"builders": [{"type": "amazon-ebs"}]}`, `t.json:1:24: cannot bake a build of the amazon-ebs builder: it starts from an image of machines that are not slipway's; add --from`},
	"null builder":         {`{"builders": [{"type": "null"}]}`, `t.json:1:24: cannot bake a build of the null builder: it has nothing to start from; add --from`},
	"same name":            {`{"builders": [` + docker + `, ` + docker + `]}`, `t.json:1:82: cannot have two builds called "docker"`},
	"no image":             {`{"builders": [{"type": "docker", "commit": true}]}`, `t.json:1:24: cannot use the docker builder without an image`},
	"export":               {`{"builders": [{"type": "docker", "image": "debian:12", "export_path": "x.tar"}]}`, `t.json:1:71: cannot export the container to x.tar`},
	"neither":              {`{"builders": [{"type": "docker", "image": "debian:12"}]}`, `t.json:1:24: cannot tell what becomes of the docker builder's container`},
	"privileged":           {`{"builders": [{"type": "docker", "image": "debian:12", "commit": true, "privileged": true}]}`, `t.json:1:72: cannot use "privileged" of the docker builder`},
	"platform":             {`{"builders": [{"type": "docker", "image": "debian:12", "commit": true, "platform": "linux/riscv128"}]}`, `t.json:1:84: cannot use the platform "linux/riscv128": an image is for the machine`},
	"misspelt setting":     {`{"builders": [{"type": "docker", "imagge": "debian:12", "commit": true}]}`, "t.json:1:34: cannot use \"imagge\" of the docker builder: it is not supported; did you mean \"image\"?"},
	"not a truth":          {`{"builders": [{"type": "docker", "image": "debian:12", "commit": "perhaps"}]}`, "t.json:1:66: cannot use the text \"perhaps\" here: want true or false"},
	"change":               {`{"builders": [{"type": "docker", "image": "debian:12", "commit": true, "changes": ["VOLUME /data"]}]}`, `t.json:1:84: cannot use the change VOLUME: it has no equal`},
	"two ports":            {`{"builders": [{"type": "docker", "image": "debian:12", "commit": true, "changes": ["EXPOSE 80", "EXPOSE 443"]}]}`, `t.json:1:97: cannot use EXPOSE 443: a service has one port`},
	"undefined variable":   {`{"variables": {"size": "1"}, "builders": [` + docker + `], "provisioners": [{"type": "shell", "inline": ["echo {{user ` + "`sise`" + `}}"]}]}`, `t.json:1:148: cannot use the variable "sise": the template has no such variable; did you mean "size"?`},
	"required variable":    {"{\"variables\": {\n  \"size\": null}, \"builders\": [" + docker + `]}`, `t.json:2:3: cannot do without a value of the variable "size": add --var size=VALUE`},
	"variables in circle":  {"{\"variables\": {\"a\": \"{{user `b`}}\", \"b\": \"{{user `a`}}\"}, \"builders\": [" + docker + `]}`, `t.json:1:42: cannot use the variables a → b → a: each needs the next`},
	"env in provisioner":   {provision("{\"type\": \"shell\", \"inline\": [\"{{env `HOME`}}\"]}"), `t.json:3:32: cannot use env here: only the values of variables may read the environment`},
	"unknown function":     {provision(`{"type": "shell", "inline": ["{{uper ` + "`x`" + `}}"]}`), `t.json:3:32: cannot use the function uper: there is none; did you mean "upper"?`},
	"broken braces":        {provision(`{"type": "shell", "inline": ["{{"]}`), `t.json:3:32: cannot read {{…}} in it: `},
	"uuid":                 {provision(`{"type": "shell", "inline": ["{{uuid}}"]}`), `t.json:3:32: cannot use uuid: it gives something else every time`},
	"vault":                {provision("{\"type\": \"shell\", \"inline\": [\"{{vault `a` `b`}}\"]}"), `t.json:3:32: cannot use vault: slipway does not speak to Vault`},
	"host":                 {provision("{\"type\": \"shell\", \"inline\": [\"{{build `Host`}}\"]}"), `t.json:3:32: cannot use build: it speaks of a running machine`},
	"dot in text":          {provision(`{"type": "shell", "inline": ["{{.Path}}"]}`), `t.json:3:32: cannot use {{.Path}} here: there is nothing it could stand for`},
	"dot in command":       {provision(`{"type": "shell", "inline": ["a"], "execute_command": "{{.Paths}}"}`), `t.json:3:57: cannot use {{.Paths}} here: did you mean "Path"?`},
	"unknown provisioner":  {provision(`{"type": "shel"}`), `t.json:3:12: cannot use the shel provisioner: there is none that slipway knows; did you mean "shell"?`},
	"shell-local":          {provision(`{"type": "shell-local", "inline": ["make"]}`), `t.json:3:12: cannot use the shell-local provisioner: it runs on the host`},
	"powershell":           {provision(`{"type": "powershell"}`), `t.json:3:12: cannot use the powershell provisioner: slipway's images are Linux`},
	"remote ansible":       {provision(`{"type": "ansible", "playbook_file": "x"}`), `t.json:3:12: cannot use the ansible provisioner: it reaches a running machine over SSH`},
	"puppet":               {provision(`{"type": "puppet-masterless"}`), `t.json:3:12: cannot use the puppet-masterless provisioner: slipway does not know it`},
	"no script":            {provision(`{"type": "shell"}`), `t.json:3:12: cannot run the shell provisioner: want exactly one of inline, script and scripts`},
	"two scripts":          {provision(`{"type": "shell", "inline": ["a"], "script": "b"}`), `t.json:3:12: cannot run the shell provisioner: want exactly one`},
	"missing script":       {provision(`{"type": "shell", "scripts": ["there.sh", "missing.sh"]}`), `t.json:3:45: cannot find missing.sh: a path is relative to the working directory`},
	"script is directory":  {provision(`{"type": "shell", "script": "sub"}`), `t.json:3:31: cannot use sub: want a file`},
	"no variable":          {provision(`{"type": "shell", "inline": ["a"], "environment_vars": ["A=1", "B"]}`), `t.json:3:66: cannot use "B" as a variable of the environment: want NAME=value`},
	"not a duration":       {provision(`{"type": "shell", "inline": ["a"], "timeout": "soon"}`), `t.json:3:49: cannot use the text "soon" here: want a duration`},
	"list for text":        {provision(`{"type": "shell", "script": ["a"]}`), `t.json:3:31: cannot use a list here: want text`},
	"override":             {provision(`{"type": "shell", "inline": ["a"], "override": {"docker": 1}}`), `t.json:3:51: cannot use the number 1 here: want an object of settings`},
	"download":             {provision(`{"type": "file", "source": "/x", "destination": "y", "direction": "download"}`), `t.json:3:69: cannot use direction = "download" of the file provisioner`},
	"no destination":       {provision(`{"type": "file", "source": "there.sh"}`), `t.json:3:12: cannot run the file provisioner: want a destination`},
	"missing file":         {provision(`{"type": "file", "source": "missing", "destination": "/"}`), `t.json:3:30: cannot find missing`},
	"file at home":         {provision(`{"type": "file", "source": "there.sh", "destination": "~/x"}`), `t.json:3:57: cannot use "~/x" as a path in the image: want an absolute one`},
	"file for directory":   {provision(`{"type": "file", "source": "there.sh", "destination": "/tmp"}`), `t.json:3:30: cannot put the file there.sh in the place of the directory /tmp: write the destination /tmp/`},
	"only of no build":     {provision(`{"type": "shell", "inline": ["a"], "only": ["doker"]}`), `t.json:3:47: cannot find the build "doker": did you mean "docker"?`},
	"override of no build": {provision(`{"type": "shell", "inline": ["a"], "override": {"doker": {}}}`), `t.json:3:51: cannot find the build "doker": did you mean "docker"?`},
	"missing playbook":     {provision(`{"type": "ansible-local", "playbook_file": "missing.yml"}`), `t.json:3:46: cannot find missing.yml`},
	"no playbook":          {provision(`{"type": "ansible-local"}`), `t.json:3:12: cannot run the ansible-local provisioner: want either playbook_file or playbook_files`},
	"docker-push":          {`{"builders": [` + docker + `], "post-processors": [["manifest", "docker-push"]]}`, `t.json:1:107: cannot use the docker-push post-processor: the image is slipwayd's`},
	"unknown postprocess":  {`{"builders": [` + docker + `], "post-processors": [{"type": "manifets"}]}`, `t.json:1:103: cannot use the manifets post-processor: there is none that slipway knows; did you mean "manifest"?`},
	"checksum":             {`{"builders": [` + docker + `], "post-processors": [{"type": "checksum", "checksum_types": ["crc32"]}]}`, `t.json:1:134: cannot make a checksum of the type "crc32"`},
	"md5 of an image":      {`{"builders": [` + docker + `], "post-processors": [{"type": "checksum", "checksum_types": ["md5"]}]}`, `t.json:1:134: cannot make the md5 of an image`},
	"secret in a script":   {"{\"variables\": {\"k\": \"1\"}, \"sensitive-variables\": [\"k\"], \"builders\": [\n" + docker + "], \"provisioners\": [\n{\"type\": \"shell\", \"inline\": [\"curl {{user `k`}}\"]}]}", `t.json:3:30: cannot use the sensitive variable k in a script: that is kept with the image; hand it to a script in environment_vars`},
	"secret in capitals":   {"{\"variables\": {\"k\": \"1\"}, \"sensitive-variables\": [\"k\"], \"builders\": [\n" + docker + "], \"provisioners\": [\n{\"type\": \"shell\", \"inline\": [\"a\"], \"environment_vars\": [\"A={{user `k` | upper}}\"]}]}", `t.json:3:57: cannot make anything of a sensitive variable but a part of a longer text`},
	"no secret":            {"{\"sensitive-variables\": [\"k\"], \"builders\": [" + docker + "]}", `t.json:1:26: cannot keep the variable "k" secret: there is none`},
	"everything at once":   {"{\"builders\": [{\"type\": \"docker\"}],\n\"provisioners\": [{\"type\": \"chef-solo\"},\n{\"type\": \"file\"}]}", "t.json:1:24: cannot tell what becomes\nt.json:1:24: cannot use the docker builder without an image\nt.json:2:27: cannot use the chef-solo provisioner\nt.json:3:10: cannot run the file provisioner"},
	"lxd":                  {`{"builders": [{"type": "lxd", "image": "ubuntu:22.04"}]}`, `t.json:1:24: cannot start from the image "ubuntu:22.04"`},
	"file without target":  {`{"builders": [{"type": "file", "content": "x"}]}`, `t.json:1:24: cannot use the file builder without a target`},
	"file without source":  {`{"builders": [{"type": "file", "source": "gone", "target": "x"}]}`, `t.json:1:42: cannot find the file gone`},
	"number for variables": {`{"variables": 1, "builders": [` + docker + `]}`, `t.json:1:15: cannot use the number 1 here: want an object of variables`},
}

const docker = `{"type": "docker", "image": "debian:12", "commit": true}`

// provision returns a template whose only provisioner is on line 3, from its third column.
func provision(p string) string {
	return "{\"builders\": [" + docker + "],\n\"provisioners\": [\n  " + p + "]}"
}

// hclMistakes are templates in HCL, called t.pkr.hcl, and the errors that they give, one on each line.
var hclMistakes = map[string]struct{ template, want string }{
	"nothing":            {``, `t.pkr.hcl: cannot build anything: the template has no build with sources`},
	"syntax":             {"source \"docker\" \"x\" {\n  image = \n}", `t.pkr.hcl:2:11: cannot read it as HCL: `},
	"no brace":           {"build {\n", `t.pkr.hcl:1:7: cannot read it as HCL: `},
	"attribute":          {"image = 1\n", `t.pkr.hcl:1:1: cannot use image here: want a block`},
	"block":              {"sources \"docker\" \"x\" {}\n", `t.pkr.hcl:1:1: cannot use the block "sources": did you mean "source"?`},
	"labels":             {"source \"docker\" {}\n", `t.pkr.hcl:1:1: cannot use a source block with 1 labels: want 2`},
	"data source":        {"data \"amazon-ami\" \"x\" {}\n", `t.pkr.hcl:1:1: cannot use the data source amazon-ami.x: slipway asks no cloud`},
	"undefined source":   {hclSource + "build {\n  sources = [\"source.docker.webb\"]\n}\n", `t.pkr.hcl:6:14: cannot find the source "docker.webb": did you mean "docker.web"?`},
	"source twice":       {hclSource + hclSource, `t.pkr.hcl:5:1: cannot have the source "docker.web" twice: it is at t.pkr.hcl:1:1 too`},
	"undefined variable": {hclBuild(`provisioner "shell" { inline = ["echo ${var.vresion}"] }`) + "variable \"version\" { default = 1 }\n", `t.pkr.hcl:7:43: cannot use var.vresion: the template has no such variable; did you mean "version"?`},
	"undefined local":    {hclBuild(`provisioner "shell" { inline = ["echo ${local.x}"] }`), `t.pkr.hcl:7:43: cannot use local.x: there is none; there are none`},
	"no such root":       {hclBuild(`provisioner "shell" { inline = [each.key] }`), `t.pkr.hcl:7:35: cannot use each here: `},
	"required variable":  {hclBuild("") + "variable \"v\" {}\n", `t.pkr.hcl:9:1: cannot do without a value of the variable "v": add --var v=VALUE`},
	"validation":         {hclBuild("") + "variable \"v\" {\n default = 3\n validation {\n  condition = var.v > 5\n  error_message = \"Too small.\"\n }\n}\n", `t.pkr.hcl:9:1: cannot use the value of the variable "v": Too small.`},
	"wrong type":         {hclBuild("") + "variable \"v\" {\n type = number\n default = \"x\"\n}\n", `t.pkr.hcl:11:12: cannot use this as the variable "v": a number is required`},
	"no type":            {hclBuild("") + "variable \"v\" {\n type = whole\n default = \"x\"\n}\n", `t.pkr.hcl:10:9: cannot use this type: `},
	"variable setting":   {hclBuild("") + "variable \"v\" {\n defualt = \"x\"\n}\n", `t.pkr.hcl:10:2: cannot use "defualt" of a variable: did you mean "default"?`},
	"circle":             {hclBuild("") + "locals {\n a = local.b\n b = local.a\n}\n", `t.pkr.hcl:10:2: cannot use the locals a → b → a: each needs the next`},
	"dynamic":            {hclBuild(`dynamic "provisioner" { for_each = [] }`), `t.pkr.hcl:7:3: cannot use a dynamic block: it is not supported`},
	"dynamic inside":     {hclBuild("provisioner \"shell\" {\n inline = [\"a\"]\n dynamic \"x\" {}\n}"), `t.pkr.hcl:9:2: cannot use a dynamic block`},
	"for_each":           {hclBuild(`provisioner "shell" { for_each = [1] }`), "t.pkr.hcl:7:25: cannot use \"for_each\" of the shell provisioner: it is not supported"},
	"unknown function":   {hclBuild(`provisioner "shell" { inline = [uper("x")] }`), `t.pkr.hcl:7:35: cannot evaluate it: there is no function named "uper"`},
	"uuid":               {hclBuild(`provisioner "shell" { inline = [uuidv4()] }`), `t.pkr.hcl:7:35: cannot evaluate it: `},
	"env":                {hclBuild(`provisioner "shell" { inline = [env("HOME")] }`), `t.pkr.hcl:7:35: cannot evaluate it: call to function "env" failed: only the default of a variable`},
	"missing file":       {hclBuild(`provisioner "shell" { inline = [file("missing")] }`), `t.pkr.hcl:7:35: cannot evaluate it: call to function "file" failed: cannot find missing`},
	"running machine":    {hclBuild(`provisioner "shell" { inline = [build.Host] }`), `t.pkr.hcl:7:35: cannot use build.Host: it speaks of a running machine`},
	"unknown builder":    {"source \"doker\" \"x\" {}\nbuild {\n sources = [\"doker.x\"]\n}\n", `t.pkr.hcl:1:1: cannot use the builder "doker": there is none of this name; did you mean "docker"?`},
	"cloud":              {"source \"amazon-ebs\" \"x\" {}\nbuild {\n sources = [\"amazon-ebs.x\"]\n}\n", `t.pkr.hcl:1:1: cannot bake a build of the amazon-ebs builder`},
	"missing script":     {hclBuild(`provisioner "shell" { scripts = ["there.sh", "missing.sh"] }`), `t.pkr.hcl:7:48: cannot find missing.sh`},
	"registry":           {hclBuild(`hcp_packer_registry {}`), `t.pkr.hcl:7:3: cannot use hcp_packer_registry`},
	"block in build":     {hclBuild(`provisionner "shell" {}`), `t.pkr.hcl:7:3: cannot use the block "provisionner" in a build: did you mean "provisioner"?`},
	"nested block":       {hclBuild(`provisioner "shell" { inline = ["a"] connection {} }`), `t.pkr.hcl:7:`},
	"secret number":      {hclBuild("") + "variable \"v\" {\n default = 3\n sensitive = true\n}\n", `t.pkr.hcl:9:1: cannot keep "v" secret: it is no text`},
	"secret compared":    {hclBuild(`provisioner "shell" { inline = [var.v == "x" ? "a" : "b"] }`) + "variable \"v\" {\n default = \"x\"\n sensitive = true\n}\n", "t.pkr.hcl:7:34: cannot use it: cannot make anything of a sensitive variable"},
	"secret in content":  {hclBuild(`provisioner "file" { content = "k=${var.v}", destination = "/x" }`) + "variable \"v\" {\n default = \"x\"\n sensitive = true\n}\n", `t.pkr.hcl:7:`},
	"except no build":    {hclBuild(`post-processor "manifest" { except = ["web"] }`), `t.pkr.hcl:7:41: cannot find the build "web": want one of docker.web`},
	"user in HCL":        {hclBuild("provisioner \"shell\" { inline = [\"{{user `x`}}\"] }"), `t.pkr.hcl:7:35: cannot use user here: in HCL it is ${var.x}`},
	"template_dir":       {hclBuild("provisioner \"shell\" { inline = [\"{{template_dir}}\"] }"), `t.pkr.hcl:7:35: cannot use template_dir here: in HCL it is ${path.root}`},
}

const hclSource = "source \"docker\" \"web\" {\n  image = \"debian:bookworm\"\n  commit = true\n}\n"

// hclBuild returns a template whose build has inside on line 7, from its third column.
func hclBuild(inside string) string {
	return hclSource + "build {\n  sources = [\"source.docker.web\"]\n  " + inside + "\n}\n"
}

func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "there.sh"), "true\n")
	write(t, filepath.Join(dir, "sub", "x"), "")
	for file, mistakes := range map[string]map[string]struct{ template, want string }{"t.json": jsonMistakes, "t.pkr.hcl": hclMistakes} {
		for name, test := range mistakes {
			t.Run(file+"/"+name, func(t *testing.T) {
				write(t, filepath.Join(dir, file), test.template)
				_, err := Load(Options{Path: file, Dir: dir})
				if err == nil {
					t.Fatal("no error")
				}
				got, want := strings.Split(err.Error(), "\n"), strings.Split(test.want, "\n")
				ok := len(got) == len(want)
				for i := range min(len(got), len(want)) {
					ok = ok && strings.HasPrefix(got[i], want[i])
				}
				if !ok {
					t.Errorf("got\n%s\nwant\n%s", err, test.want)
				}
				if slipway.CodeOf(err) != slipway.Invalid {
					t.Errorf("code %q", slipway.CodeOf(err))
				}
			})
		}
	}
}

func TestOptionMistakes(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "t.json"), `{"variables": {"size": "1"}, "builders": [`+docker+`]}`)
	write(t, filepath.Join(dir, "t.pkr.hcl"), hclBuild("")+"variable \"size\" {\n type = list(string)\n default = []\n}\n")
	write(t, filepath.Join(dir, "t.pkr.json"), `{}`)
	write(t, filepath.Join(dir, "beside.pkr.hcl"), hclSource+"build {\n  sources = [\"docker.x\"]\n}\n")
	write(t, filepath.Join(dir, "t.hcl"), ``)
	write(t, filepath.Join(dir, "vars.json"), `{"size": {}}`)
	write(t, filepath.Join(dir, "elsewhere", "s.json"), `{"builders": [`+docker+`], "provisioners": [{"type": "shell", "script": "run.sh"}]}`)
	write(t, filepath.Join(dir, "elsewhere", "run.sh"), `true`)
	write(t, filepath.Join(dir, "empty", "x"), ``)
	for want, o := range map[string]Options{
		"cannot find the template gone.json":                                                                                {Path: "gone.json"},
		"t.pkr.json: cannot read HCL that is written as JSON":                                                               {Path: "t.pkr.json"},
		"t.hcl: cannot read it: a template in HCL has a name":                                                               {Path: "t.hcl"},
		"cannot find a template in empty":                                                                                   {Path: "empty"},
		"cannot use --var sise: the template has no such variable":                                                          {Path: "t.json", Vars: []string{"sise=2"}},
		"cannot use --var size: want NAME=VALUE":                                                                            {Path: "t.json", Vars: []string{"size"}},
		"gone.json: cannot find gone.json":                                                                                  {Path: "t.json", VarFiles: []string{"gone.json"}},
		"vars.json:1:10: cannot use an object as a variable":                                                                {Path: "t.json", VarFiles: []string{"vars.json"}},
		"cannot find the build \"web\": t.json has docker":                                                                  {Path: "t.json", Only: []string{"web"}},
		"cannot find a build or a post-processor \"box\": t.json has docker":                                                {Path: "t.json", Except: []string{"box"}},
		"cannot use --except [: its brackets do not close":                                                                  {Path: "t.json", Except: []string{"["}},
		"beside.pkr.hcl:6:14: cannot find the source \"docker.x\": did you mean \"docker.web\"?; the other files beside it": {Path: "beside.pkr.hcl"},
		"cannot use --only [: its brackets do not close":                                                                    {Path: "t.json", Only: []string{"["}},
		"cannot find the build \"web\": t.pkr.hcl has docker.web":                                                           {Path: "t.pkr.hcl", Only: []string{"web"}},
		"--var size:1:2: cannot use this as the variable \"size\": ":                                                        {Path: "t.pkr.hcl", Vars: []string{"size=["}},
		"cannot use SOURCE_DATE_EPOCH=now: want seconds since 1970":                                                         {Path: "t.json", Env: func(string) string { return "now" }},
		"elsewhere/s.json:1:119: cannot find run.sh: as with Packer,":                                                       {Path: "elsewhere/s.json"},
	} {
		t.Run(want, func(t *testing.T) {
			o.Dir = dir
			_, err := Load(o)
			if err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func FuzzJSON(f *testing.F) {
	for _, test := range jsonMistakes {
		f.Add([]byte(test.template))
	}
	fuzz(f, "t.json")
}

func FuzzHCL(f *testing.F) {
	for _, test := range hclMistakes {
		f.Add([]byte(test.template))
	}
	fuzz(f, "t.pkr.hcl")
}

// fuzz reads templates that may be anything. Every mistake in one has a place in it, and says what cannot be.
func fuzz(f *testing.F, file string) {
	dir := f.TempDir()
	write(f, filepath.Join(dir, "there.sh"), "true\n")
	f.Fuzz(func(t *testing.T, data []byte) {
		write(t, filepath.Join(dir, file), string(data))
		template, err := Load(Options{Path: file, Dir: dir})
		if err == nil {
			for _, b := range template.Builds {
				if _, err := b.Manifest(t.Context(), ""); err != nil {
					placed(t, file, err)
				}
			}
			return
		}
		placed(t, file, err)
	})
}

func placed(t *testing.T, file string, err error) {
	t.Helper()
	all := []error{err}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		all = joined.Unwrap()
	}
	for _, err := range all {
		var e *slipway.Error
		if !errors.As(err, &e) || e.Code != slipway.Invalid || !strings.HasPrefix(e.Place, file) || !strings.HasPrefix(e.Message, "cannot ") {
			t.Errorf("%#v has no place, or says something else than what cannot be", err)
		}
	}
}
