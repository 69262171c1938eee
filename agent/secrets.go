package agent

import (
	"fmt"
	"os"
	"path/filepath"
)

// layOut makes the files that the service is told things in. Each can be read by the service's user, and by nobody else but root.
func layOut(dir string, secrets map[string]string, user user) error {
	for name, content := range secrets {
		path := filepath.Join(dir, filepath.Base(name))
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
		if err != nil {
			return fmt.Errorf("cannot lay out the secrets: %w", err)
		}
		_, err = f.WriteString(content)
		if err == nil {
			err = f.Chown(int(user.uid), int(user.gid))
		}
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return fmt.Errorf("cannot lay out the secrets: %w", err)
		}
	}
	return nil
}
