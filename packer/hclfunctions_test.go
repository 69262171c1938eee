package packer

import (
	"path/filepath"
	"testing"
)

// TestHCLFunctions evaluates expressions in the place of a script.
func TestHCLFunctions(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "conf", "a.txt"), "a")
	write(t, filepath.Join(dir, "conf", "sub", "b.txt"), "b")
	write(t, filepath.Join(dir, "motd.tpl"), "%{ for n in names ~}${upper(n)} %{ endfor ~}end")
	for expr, want := range map[string]string{
		`upper("a")`:                                       "A",
		`join(",", [for n in [1, 2] : n * 2])`:             "2,4",
		`format("%03d", 7)`:                                "007",
		`jsonencode({ a = [1, true, null] })`:              `{"a":[1,true,null]}`,
		`jsondecode("{\"a\": \"b\"}").a`:                   "b",
		`length("été")`:                                    "3",
		`length([1, 2])`:                                   "2",
		`length({ a = 1 })`:                                "1",
		`index(["a", "b"], "b")`:                           "1",
		`lookup({ a = "b" }, "c", "d")`:                    "d",
		`merge({ a = 1 }, { b = 2 }).b`:                    "2",
		`alltrue([true, true])`:                            "true",
		`alltrue([true, false])`:                           "false",
		`anytrue([false, true])`:                           "true",
		`try(local.x.y, "fallback")`:                       "fallback",
		`can(tonumber("x")) ? "yes" : "no"`:                "no",
		`convert("3", number) + 1`:                         "4",
		`base64decode(base64encode("é"))`:                  "é",
		`md5("a")`:                                         "0cc175b9c0f1b6a831c399e269772661",
		`substr(sha256("a"), 0, 8)`:                        "ca978112",
		`urlencode("a b")`:                                 "a+b",
		`basename("/a/b")`:                                 "b",
		`dirname("/a/b")`:                                  "/a",
		`abspath("x")`:                                     dir + "/x",
		`pathexpand("~/x")`:                                "/home/me/x",
		`trimspace(file("conf/a.txt"))`:                    "a",
		`fileexists("conf/a.txt")`:                         "true",
		`fileexists("conf")`:                               "false",
		`join(",", fileset("conf", "**/*.txt"))`:           "a.txt,sub/b.txt",
		`templatefile("motd.tpl", { names = ["a", "b"] })`: "A B end",
		`strcontains("abc", "b")`:                          "true",
		`startswith("abc", "b")`:                           "false",
		`endswith("abc", "c")`:                             "true",
		`timestamp()`:                                      "2000-01-01T00:00:00Z",
		`isotime("20060102")`:                              "20000101",
		`formatdate("YYYY", timestamp())`:                  "2000",
		`regex_replace("a1b2", "[0-9]", "")`:               "ab",
		`path.root`:                                        dir,
		`"${path.cwd}|${packer.version}"`:                  dir + "|1.6.6",
		`"${source.type}.${source.name}"`:                  "docker.web",
		`"{{build_name}} {{isotime \"2006\"}}"`:            "web 2000",
	} {
		t.Run(expr, func(t *testing.T) {
			write(t, filepath.Join(dir, "t.pkr.hcl"), "locals {\n  x = {}\n}\n"+hclBuild("provisioner \"file\" {\n  content = "+expr+"\n  destination = \"/x\"\n}"))
			template, err := Load(Options{Path: "t.pkr.hcl", Dir: dir, Env: func(name string) string { return map[string]string{"HOME": "/home/me"}[name] }})
			if err != nil {
				t.Fatal(err)
			}
			if got := string(template.Builds[0].context.made[".packer/1-file/x"].content); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
