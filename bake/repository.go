package bake

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/image"
)

// repository makes the directory dir a repository of Debian packages in apt's flat form: exactly those of a lock, whose blobs must be
// stored. Nobody signs it: it is for apt in a sandbox, and every package has been verified.
func (b *Baker) repository(ctx context.Context, dir string, lock slipway.Lock) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	stanzas := make([]string, len(lock.Packages))
	reading, ctx := errgroup.WithContext(ctx)
	reading.SetLimit(runtime.GOMAXPROCS(0))
	for i, p := range lock.Packages {
		reading.Go(func() error {
			file := filepath.Join(dir, debFile(p))
			if err := linkOrCopy(b.images.BlobPath(p.Digest), file); err != nil {
				return err
			}
			control, err := exec.CommandContext(ctx, "dpkg-deb", "--field", file).Output()
			if err != nil {
				return fmt.Errorf("read package %s: %w%s", p.Name, err, saidBy(err))
			}
			stanzas[i] = stanza(string(control), p)
			return nil
		})
	}
	if err := reading.Wait(); err != nil {
		return err
	}
	packages := strings.Join(stanzas, "\n")
	release := fmt.Sprintf("Description: what a layer is locked to\nDate: %s\nSHA256:\n %s %d Packages\n",
		time.Unix(image.Epoch, 0).UTC().Format(time.RFC1123), slipway.DigestOf([]byte(packages)).Hex(), len(packages))
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "Packages"), []byte(packages), 0o644),
		os.WriteFile(filepath.Join(dir, "Release"), []byte(release), 0o644))
}

// stanza returns a package's entry in the repository's index: what it says of itself, where it is, and what it must be.
func stanza(control string, p slipway.LockedPackage) string {
	var b strings.Builder
	for line := range strings.Lines(control) {
		name, _, _ := strings.Cut(line, ":")
		switch strings.ToLower(name) {
		case "filename", "size", "md5sum", "sha1", "sha256", "sha512":
		default:
			b.WriteString(strings.TrimRight(line, "\n") + "\n")
		}
	}
	fmt.Fprintf(&b, "Filename: ./%s\nSize: %d\nSHA256: %s\n", debFile(p), p.Size, p.Digest.Hex())
	return b.String()
}

// linkOrCopy gives a file a second name, or where the two are on different disks, makes a copy of it.
func linkOrCopy(from, to string) error {
	err := os.Link(from, to)
	if !errors.Is(err, syscall.EXDEV) && !errors.Is(err, syscall.EMLINK) && !errors.Is(err, syscall.EPERM) {
		return err
	}
	return copyFile(from, to)
}

// saidBy returns what a command that failed printed as its error.
func saidBy(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return ": " + strings.TrimSpace(string(exit.Stderr))
	}
	return ""
}
