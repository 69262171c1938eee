package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/slipway-sh/slipway"
)

// Layers come from the image store and are looked at from the host too: nothing in them may act there.
const layerFlags = unix.MS_RDONLY | unix.MS_NODEV | unix.MS_NOSUID

// overlayOptions keep the upper directory a plain diff of the layers (no redirects, no metadata-only copies) and spare the
// disk what is thrown away anyway: volatile means that neither fsync nor unmounting waits for it.
var overlayOptions = []string{"redirect_dir=off", "metacopy=off", "index=off", "volatile"}

// mountLayer mounts the EROFS image at blob on dir.
func mountLayer(blob, dir string) error {
	err := unix.Mount(blob, dir, "erofs", layerFlags, "")
	if errors.Is(err, unix.ENOTBLK) {
		// Before Linux 6.12 a filesystem needs a block device.
		err = mountLoop(blob, dir)
	}
	switch {
	case errors.Is(err, unix.ENODEV):
		return slipway.Errorf(slipway.Unprepared, "cannot mount layer %s: the kernel has no EROFS; load it with: modprobe erofs", filepath.Base(dir))
	case errors.Is(err, unix.EPERM):
		return slipway.Errorf(slipway.Unprepared, "cannot mount layer %s: not permitted; run as root", filepath.Base(dir))
	case err != nil:
		return fmt.Errorf("cannot mount %s at %s: %w", blob, dir, err)
	}
	return nil
}

// mountLoop mounts blob by way of a loop device, which goes away with the mount.
func mountLoop(blob, dir string) error {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer control.Close()
	backing, err := os.Open(blob)
	if err != nil {
		return err
	}
	defer backing.Close()
	config := unix.LoopConfig{
		Fd:   uint32(backing.Fd()),
		Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_READ_ONLY | unix.LO_FLAGS_AUTOCLEAR},
	}
	for {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return err
		}
		path := fmt.Sprintf("/dev/loop%d", n)
		device, err := os.OpenFile(path, os.O_RDONLY, 0)
		if err != nil {
			return err
		}
		err = unix.IoctlLoopConfigure(int(device.Fd()), &config)
		if err == nil {
			// The device lives as long as it is open or mounted.
			err = unix.Mount(path, dir, "erofs", layerFlags, "")
		}
		device.Close()
		if !errors.Is(err, unix.EBUSY) { // busy: someone else took the free one first
			return err
		}
	}
}

// mountOverlay mounts an overlay, highest lower directory first.
func mountOverlay(target string, lower []string, upper, work string) error {
	var options []string
	options = append(options, overlayOptions...)
	options = append(options, "lowerdir="+escape(lower...), "upperdir="+escape(upper), "workdir="+escape(work))
	data := strings.Join(options, ",")
	if len(data) < os.Getpagesize() {
		return unix.Mount("overlay", target, "overlay", 0, data)
	}
	return mountOverlayLong(target, lower, upper, work)
}

// mountOverlayLong is for more layers than fit in the one page that mount(2) takes. It needs Linux 6.8.
func mountOverlayLong(target string, lower []string, upper, work string) error {
	fd, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, option := range overlayOptions {
		key, value, _ := strings.Cut(option, "=")
		if value == "" {
			err = unix.FsconfigSetFlag(fd, key)
		} else {
			err = unix.FsconfigSetString(fd, key, value)
		}
		if err != nil {
			return fmt.Errorf("overlay option %s: %w", option, err)
		}
	}
	for _, dir := range lower {
		if err := unix.FsconfigSetString(fd, "lowerdir+", dir); err != nil {
			return fmt.Errorf("lower directory %s: %w", dir, err)
		}
	}
	if err := unix.FsconfigSetString(fd, "upperdir", escape(upper)); err != nil {
		return err
	}
	if err := unix.FsconfigSetString(fd, "workdir", escape(work)); err != nil {
		return err
	}
	if err := unix.FsconfigCreate(fd); err != nil {
		return err
	}
	mnt, err := unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(mnt)
	return unix.MoveMount(mnt, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

var overlayEscaper = strings.NewReplacer(`\`, `\\`, ":", `\:`, ",", `\,`)

// escape writes paths the way overlay's options want them.
func escape(paths ...string) string {
	escaped := make([]string, len(paths))
	for i, p := range paths {
		escaped[i] = overlayEscaper.Replace(p)
	}
	return strings.Join(escaped, ":")
}

// unmount takes away what is mounted at path, however often; nil if nothing is.
func unmount(path string) error {
	for {
		mounted, err := isMount(path)
		if err != nil || !mounted {
			return err
		}
		err = unix.Unmount(path, unix.UMOUNT_NOFOLLOW)
		if errors.Is(err, unix.EBUSY) {
			// Someone looks around in there. It is gone for all others now, and for them when they leave.
			err = unix.Unmount(path, unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH)
		}
		if err != nil && !errors.Is(err, unix.EINVAL) {
			return &fs.PathError{Op: "unmount", Path: path, Err: err}
		}
	}
}

// isMount reports whether something is mounted at path.
func isMount(path string) (bool, error) {
	var stat unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, 0, &stat)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, &fs.PathError{Op: "statx", Path: path, Err: err}
	}
	return stat.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, nil
}
