package agent

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// user is whom the service runs as.
type user struct {
	uid, gid uint32
	groups   []uint32 // supplementary
	home     string   // empty if the machine does not know the user
	shell    string   // as home
}

// lookupUser resolves "uid", "uid:gid" or a name by the machine's passwd and group files. A number they do not know is its own group.
func lookupUser(who, passwd, group string) (user, error) {
	if who == "" {
		who = "0"
	}
	name, gid, hasGroup := strings.Cut(who, ":")
	uid, numeric := parseID(name)
	u := user{uid: uid, gid: uid}
	known := ""
	for _, f := range records(passwd, 7) {
		id, ok := parseID(f[2])
		if primary, gok := parseID(f[3]); ok && gok && (f[0] == name || numeric && id == uid) {
			u, known = user{uid: id, gid: primary, home: f[5], shell: f[6]}, f[0]
			break
		}
	}
	if known == "" && !numeric {
		return user{}, fmt.Errorf("cannot run the service as %q: the machine's /etc/passwd has no such user", name)
	}
	if hasGroup {
		var ok bool
		if u.gid, ok = parseID(gid); !ok {
			return user{}, fmt.Errorf("cannot run the service as %q: want uid:gid in numbers", who)
		}
		return u, nil
	}
	for _, f := range records(group, 4) {
		id, ok := parseID(f[2])
		for member := range strings.SplitSeq(f[3], ",") {
			if ok && known != "" && member == known {
				u.groups = append(u.groups, id)
			}
		}
	}
	return u, nil
}

func parseID(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 31)
	return uint32(n), err == nil
}

// records returns the well-formed lines of a colon-separated file, none if it cannot be read.
func records(path string, fields int) [][]string {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var all [][]string
	for line := range strings.Lines(string(text)) {
		if f := strings.Split(strings.TrimRight(line, "\n"), ":"); len(f) == fields {
			all = append(all, f)
		}
	}
	return all
}
