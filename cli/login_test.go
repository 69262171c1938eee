package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// Nobody is sent anywhere by a server that speaks in the clear, or without need.
func TestLoginIsRefused(t *testing.T) {
	for _, c := range []struct {
		args []string
		exit int
		want string
	}{
		{[]string{"login", "--server", "http://slipway.example.com"}, exitConflict, "use https"},
		{[]string{"login", "--server", "https://slipway.example.com,http://10.0.0.1:80"}, exitConflict, "use https"},
		{[]string{"login", "--server", "unix:/slipwayd.sock"}, exitConflict, "needs no login"},
		{[]string{"login", "--device", "--port", "80"}, exitUsage, "cannot use --device with"},
		{[]string{"login", "ann"}, exitUsage, "unknown command"},
		{[]string{"logout", "--server", "https://slipway.example.com"}, exitNotFound, "nobody has logged in"},
	} {
		var out, err bytes.Buffer
		dir := t.TempDir()
		f := &Factory{Out: &out, Err: &err, Env: func(name string) string { return map[string]string{"HOME": dir}[name] }}
		if exit := Main(context.Background(), f, c.args); exit != c.exit || !strings.Contains(err.String(), c.want) {
			t.Errorf("%v: exit %d, %s%s", c.args, exit, &out, &err)
		}
	}
}
