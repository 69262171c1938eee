package check

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-sh/slipway"
)

// Where a machine says who its users are.
const (
	passwdFile = "/etc/passwd"
	groupFile  = "/etc/group"
)

func userProblem(want slipway.UserTest, there map[string]*seen) error {
	if there[passwdFile] == nil && want.Absent {
		return nil
	}
	passwd, err := text(there, passwdFile)
	if err != nil {
		return fmt.Errorf("cannot tell what users there are: %w", err)
	}
	var user []string
	for _, fields := range records(passwd, 7) {
		if fields[0] == want.Name {
			user = fields
			break
		}
	}
	switch {
	case user == nil && want.Absent:
		return nil
	case user == nil:
		return errors.New("there is no such user")
	case want.Absent:
		return fmt.Errorf("there is this user, with UID %s", user[2])
	}
	var problems []string
	if want.UID != nil && user[2] != strconv.Itoa(*want.UID) {
		problems = append(problems, fmt.Sprintf("want UID %d, it has %s", *want.UID, user[2]))
	}
	if want.Home != "" && user[5] != want.Home {
		problems = append(problems, fmt.Sprintf("want home %s, it has %s", want.Home, user[5]))
	}
	if want.Shell != "" && user[6] != want.Shell {
		problems = append(problems, fmt.Sprintf("want shell %s, it has %s", want.Shell, user[6]))
	}
	if len(want.Groups) > 0 {
		groups, err := text(there, groupFile)
		if err != nil {
			return fmt.Errorf("cannot tell what groups there are: %w", err)
		}
		in := groupsOf(groups, user[0], user[3])
		for _, group := range want.Groups {
			if !slices.Contains(in, group) {
				problems = append(problems, fmt.Sprintf("want it in group %s, it is in %s", group, strings.Join(in, ", ")))
			}
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(problems, "; "))
}

// groupsOf returns the names of a user's groups; primary is the number of its own.
func groupsOf(groups []byte, user, primary string) []string {
	var in []string
	for _, fields := range records(groups, 4) {
		if fields[2] == primary || slices.Contains(strings.Split(fields[3], ","), user) {
			in = append(in, fields[0])
		}
	}
	return in
}

// records returns the well-formed lines of a colon-separated file.
func records(text []byte, fields int) [][]string {
	var all [][]string
	for line := range strings.Lines(string(text)) {
		if f := strings.Split(strings.TrimRight(line, "\n"), ":"); len(f) == fields {
			all = append(all, f)
		}
	}
	return all
}
