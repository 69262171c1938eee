package secrets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
)

// MountOnce makes dir a tmpfs as [Mount] does, unless it is one already.
func MountOnce(dir string, size int64) error {
	if mounted, err := isTmpfs(dir); err != nil || mounted {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keep secrets: %w", err)
	}
	if err := Mount(dir, size); err != nil {
		return errors.Join(err, os.Remove(dir))
	}
	return nil
}

// Mount mounts an empty tmpfs of so many bytes on the directory dir, which only root can enter. Nothing in it can be run, and it is not
// written to swap if the kernel can prevent that (Linux 6.4). Unprepared if it may not be mounted.
func Mount(dir string, size int64) error {
	options := fmt.Sprintf("size=%d,nr_inodes=%d,mode=0700", size, size/2048)
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME
	err := unix.Mount("tmpfs", dir, "tmpfs", flags, options+",noswap")
	if errors.Is(err, unix.EINVAL) {
		err = unix.Mount("tmpfs", dir, "tmpfs", flags, options)
	}
	if errors.Is(err, unix.EPERM) {
		return slipway.Errorf(slipway.Unprepared, "cannot keep secrets in memory: mounting a tmpfs is not permitted; run as root")
	}
	if err != nil {
		return fmt.Errorf("cannot mount a tmpfs at %s: %w", dir, err)
	}
	if mounted, err := isTmpfs(dir); err != nil || !mounted {
		return errors.Join(err, fmt.Errorf("cannot keep secrets at %s: it is no tmpfs", dir))
	}
	return nil
}

// Unmount takes away the tmpfs at dir with all that is in it, and dir. nil if it is not there.
func Unmount(dir string) error {
	for {
		mounted, err := isTmpfs(dir)
		if err != nil {
			return err
		}
		if !mounted {
			break
		}
		if err := unix.Unmount(dir, unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH); err != nil {
			return fmt.Errorf("cannot unmount the secrets at %s: %w", dir, err)
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("drop secrets: %w", err)
	}
	return nil
}

// isTmpfs reports whether a tmpfs is mounted at dir itself, and not only above it: /run often is one, that may go to swap.
func isTmpfs(dir string) (bool, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, dir, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, 0, &st)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for secrets at %s: %w", dir, err)
	}
	if st.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0 {
		return false, nil
	}
	var fsys unix.Statfs_t
	if err := unix.Statfs(dir, &fsys); err != nil {
		return false, fmt.Errorf("look for secrets at %s: %w", dir, err)
	}
	return fsys.Type == unix.TMPFS_MAGIC, nil
}
