package packer

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/slipway-sh/slipway"
)

type ansibleSettings struct {
	PlaybookFile          text   `packer:"playbook_file"`
	PlaybookFiles         []text `packer:"playbook_files"`
	PlaybookDir           text   `packer:"playbook_dir"`
	PlaybookPaths         []text `packer:"playbook_paths"`
	RolePaths             []text `packer:"role_paths"`
	CollectionPaths       []text `packer:"collection_paths"`
	GroupVars             text   `packer:"group_vars"`
	HostVars              text   `packer:"host_vars"`
	InventoryFile         text   `packer:"inventory_file"`
	InventoryGroups       []text `packer:"inventory_groups"`
	ExtraArguments        []text `packer:"extra_arguments"`
	Command               text   `packer:"command"`
	GalaxyFile            text   `packer:"galaxy_file"`
	GalaxyCommand         text   `packer:"galaxy_command"`
	GalaxyRolesPath       text   `packer:"galaxy_roles_path"`
	GalaxyCollectionsPath text   `packer:"galaxy_collections_path"`
	StagingDirectory      text   `packer:"staging_directory"`
	Clean                 bool   `packer:"clean_staging_directory"`
}

// ansible adds a layer of what playbooks change that ansible-playbook runs in the sandbox. As with Packer, Ansible has to be in what
// the image starts from, or an earlier provisioner has to install it.
func (t *translation) ansible(p provisioner) {
	s := ansibleSettings{
		Command:       text{"ANSIBLE_FORCE_COLOR=1 PYTHONUNBUFFERED=1 ansible-playbook", p.at},
		GalaxyCommand: text{"ansible-galaxy", p.at},
	}
	if !t.into(p.component, &s, manual{}) {
		return
	}
	if s.PlaybookFile.given() == (len(s.PlaybookFiles) > 0) {
		t.problems.add(p.at, "cannot run the ansible-local provisioner: want either playbook_file or playbook_files")
		return
	}
	staging := s.StagingDirectory.string
	if staging == "" {
		staging = fmt.Sprintf("/tmp/packer-provisioner-ansible-local/%d", p.number)
	}
	for _, word := range append(s.ExtraArguments, s.Command, s.GalaxyCommand, s.StagingDirectory) {
		t.secrets.plain(t.problems, word, "ansible-local's commands")
	}
	source := path.Join(contextRoot, p.name()+".files")
	playbooks := t.playbooks(s, source)
	inventory := t.inventory(s, source)
	t.stage(s, source)

	var commands []string
	if s.GalaxyFile.given() {
		commands = append(commands, galaxy(s, staging)...)
	}
	extra := fmt.Sprintf(`--extra-vars "packer_build_name=%s packer_builder_type=%s"`, t.Build.Name, t.Type)
	for _, word := range s.ExtraArguments {
		extra += " " + word.string
	}
	for _, playbook := range playbooks {
		commands = append(commands, fmt.Sprintf("cd %s && %s %s %s -c local -i %s",
			staging, s.Command.string, playbook, extra, path.Join(staging, inventory)))
	}

	clean := ""
	if s.Clean {
		clean = "-r " + quoted(staging)
	}
	var w script
	w.begin(t.home)
	bring := fmt.Sprintf("mkdir -p %s && cp -R %s %s", quoted(staging), quoted(visible+"/"+source+"/."), quoted(staging))
	w.attempt(bring, strings.Join(commands, " &&\n"), clean, p.retries, nil)
	l := slipway.RunLayer{
		Script: path.Join(contextRoot, p.name()), Inputs: []string{source, sudoPath},
		Network: true, Timeout: slipway.Duration(p.timeout),
	}
	t.context.add(l.Script, 0o755, w.Bytes())
	t.context.add(sudoPath, 0o755, sudo)
	t.layer(slipway.Layer{Run: &l}, p.at)
}

// playbooks puts the playbooks into the context and returns their paths in the staging directory.
func (t *translation) playbooks(s ansibleSettings, source string) []string {
	if s.PlaybookDir.given() {
		t.bringDir(s.PlaybookDir, source)
	}
	var names []string
	for _, playbook := range append([]text{s.PlaybookFile}, s.PlaybookFiles...) {
		if !playbook.given() {
			continue
		}
		if s.PlaybookDir.given() {
			inside, err := filepath.Rel(absolute(t.Dir, s.PlaybookDir.string), absolute(t.Dir, playbook.string))
			if err == nil && filepath.IsLocal(inside) {
				if _, err := t.readFile(playbook.string, playbook.at); err != nil {
					*t.problems = append(*t.problems, err)
				}
				names = append(names, filepath.ToSlash(inside))
				continue
			}
		}
		names = append(names, t.bringFile(playbook, source))
	}
	return names
}

// inventory puts the inventory into the context, one of this machine alone if the template has none, and returns its name.
func (t *translation) inventory(s ansibleSettings, source string) string {
	switch {
	case s.InventoryFile.given() && len(s.InventoryGroups) > 0:
		t.problems.add(s.InventoryGroups[0].at, "cannot have inventory_groups beside inventory_file: write the groups there")
	case s.InventoryFile.given():
		return t.bringFile(s.InventoryFile, source)
	}
	hosts := "127.0.0.1\n"
	for i, group := range s.InventoryGroups {
		if i == 0 {
			hosts = ""
		}
		hosts += "[" + group.string + "]\n127.0.0.1\n"
	}
	const name = "packer-provisioner-ansible-local"
	t.context.add(path.Join(source, name), 0o644, []byte(hosts))
	return name
}

// stage puts everything else into the context that has a place of its own in the staging directory.
func (t *translation) stage(s ansibleSettings, source string) {
	if s.GalaxyFile.given() {
		t.bringFile(s.GalaxyFile, source)
	}
	if s.GroupVars.given() {
		t.bringDir(s.GroupVars, path.Join(source, "group_vars"))
	}
	if s.HostVars.given() {
		t.bringDir(s.HostVars, path.Join(source, "host_vars"))
	}
	for dir, list := range map[string][]text{"roles": s.RolePaths, "collections": s.CollectionPaths, "playbooks": s.PlaybookPaths} {
		for _, each := range list {
			t.bringDir(each, path.Join(source, dir, filepath.Base(absolute(t.Dir, each.string))))
		}
	}
}

func (t *translation) bringFile(file text, dir string) string {
	name := filepath.Base(absolute(t.Dir, file.string))
	if isDir, ok := t.bring(file, path.Join(dir, name)); ok && isDir {
		t.problems.add(file.at, "cannot use %s: want a file", file.string)
	}
	return name
}

func (t *translation) bringDir(dir text, name string) {
	if isDir, ok := t.bring(dir, name); ok && !isDir {
		t.problems.add(dir.at, "cannot use %s: want a directory", dir.string)
	}
}

// galaxy returns the commands that fetch what galaxy_file names.
func galaxy(s ansibleSettings, staging string) []string {
	file := path.Join(staging, filepath.Base(s.GalaxyFile.string))
	roles, collections := s.GalaxyRolesPath.string, s.GalaxyCollectionsPath.string
	if roles == "" {
		roles = path.Join(staging, "roles")
	}
	commands := []string{fmt.Sprintf("cd %s && %s install -r %s -p %s -f", staging, s.GalaxyCommand.string, file, roles)}
	if collections != "" {
		commands = append(commands, fmt.Sprintf("cd %s && %s collection install -r %s -p %s -f",
			staging, s.GalaxyCommand.string, file, collections))
	}
	return commands
}
