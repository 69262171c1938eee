package sqlstore

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/audit"
)

// TestTamperedAudit changes the database behind the store's back, as somebody would who has something to hide.
func TestTamperedAudit(t *testing.T) {
	for name, c := range map[string]struct{ statement, want string }{
		"nothing":                {"SELECT 1", ""},
		"another name":           {"UPDATE audit SET line = replace(line, 'mallory', 'someone') WHERE seq = 3", "entry 3 was altered"},
		"a removed entry":        {"DELETE FROM audit WHERE seq = 3", "entry 3 is missing between entry 2 and entry 4"},
		"removed entries":        {"DELETE FROM audit WHERE seq IN (2, 3)", "entries 2 to 3 are missing"},
		"a removed first entry":  {"DELETE FROM audit WHERE seq = 1", "cannot compare with the checkpoint"},
		"a removed last entry":   {"DELETE FROM audit WHERE seq = 5", "the checkpoint of"},
		"moved entries":          {"UPDATE audit SET seq = 30 - seq WHERE seq IN (3, 4)", "missing between entry 2 and entry 5"},
		"an entry told twice":    {"INSERT INTO audit SELECT 6, time, 'x', principal, action, application, environment, object, failed, line FROM audit WHERE seq = 3", "entry 3 comes after entry 5"},
		"an entry that is empty": {"UPDATE audit SET line = '' WHERE seq = 3", "no entry of the audit log"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, filepath.Join(t.TempDir(), "slipway.db"))
			for range 5 {
				if _, err := s.AppendAudit(t.Context(), slipway.AuditEntry{Phase: slipway.AuditDone, By: slipway.Principal{Name: "mallory"}, Action: "deploy"}); err != nil {
					t.Fatal(err)
				}
			}
			head, err := s.AuditHead(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.write.ExecContext(t.Context(), c.statement); err != nil {
				t.Fatal(err)
			}
			lines, err := s.AuditLines(t.Context(), 0, 100)
			if err != nil {
				t.Fatal(err)
			}
			chain := audit.Chain{Checkpoints: []audit.Checkpoint{{Seq: head.Seq, Hash: head.Hash}, {Seq: 0, Hash: audit.Origin}}}
			for _, line := range lines {
				if _, err = chain.Add(line); err != nil {
					break
				}
			}
			if err == nil {
				_, err = chain.End()
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
