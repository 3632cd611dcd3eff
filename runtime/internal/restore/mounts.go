package restore

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// RootMount is the name of the mount of the container's root file system in runc's state directory while CRIU restores
// (runc, libcontainer/criu_linux.go). A restore that was killed leaves it.
const RootMount = "criu-root"

// mount is one line of /proc/thread-self/mountinfo (proc_pid_mountinfo(5)).
type mount struct {
	point, kind string
	// options are those of the mount, and super those of the file system.
	options, super []string
}

// mounts returns the mounts of the calling thread. The first thread, which /proc/self is, can be one with private mounts.
func mounts() ([]mount, error) {
	file, err := os.Open("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	list := []mount{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		left, right, found := strings.Cut(lines.Text(), " - ")
		before, after := strings.Split(left, " "), strings.Split(right, " ")
		if !found || len(before) < 6 || len(after) < 3 {
			return nil, fmt.Errorf("/proc/thread-self/mountinfo: %.200q", lines.Text())
		}
		list = append(list, mount{
			point: unescape(before[4]), options: strings.Split(before[5], ","),
			kind: after[0], super: splitOptions(after[2]),
		})
	}
	return list, lines.Err()
}

// unescape decodes the octal escapes of mountinfo: \040 is a space.
func unescape(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	var decoded strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+3 < len(text) {
			value := 0
			for _, c := range text[i+1 : i+4] {
				if c < '0' || c > '7' {
					value = -1
					break
				}
				value = value*8 + int(c-'0')
			}
			if value >= 0 && value < 256 {
				decoded.WriteByte(byte(value))
				i += 3
				continue
			}
		}
		decoded.WriteByte(text[i])
	}
	return decoded.String()
}

// splitOptions splits at commas that are not escaped: overlay escapes those of paths.
func splitOptions(text string) []string {
	options, start := []string{}, 0
	for i := 0; i < len(text); i++ {
		if text[i] == ',' && (i == 0 || text[i-1] != '\\') {
			options = append(options, text[start:i])
			start = i + 1
		}
	}
	return append(options, text[start:])
}

// UnmountBelow detaches all mounts below a directory, the last one first.
func UnmountBelow(directory string) error {
	list, err := mounts()
	if err != nil {
		return err
	}
	prefix := filepath.Clean(directory) + "/"
	var errs []error
	for _, each := range slices.Backward(list) {
		if !strings.HasPrefix(each.point, prefix) {
			continue
		}
		// A mount that another one of this list covered is detached with it.
		if err := unix.Unmount(each.point, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && err != unix.EINVAL && err != unix.ENOENT {
			errs = append(errs, fmt.Errorf("cannot unmount %s: %w", each.point, err))
		}
	}
	return errors.Join(errs...)
}

// withPrivateMounts calls a function on a thread with its own mount namespace, which the processes that it starts inherit.
// Mounts of the node appear there, but not the other way round: what CRIU and the runtime mount ends with them, also if
// they are killed. CRIU mounts in /tmp, its work directory and the runtime's state.
func withPrivateMounts(call func() error) error {
	result := make(chan error)
	go func() {
		// Without an unlock the thread ends with the goroutine.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
			result <- fmt.Errorf("cannot create a mount namespace: %w", err)
			return
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
			result <- fmt.Errorf("cannot separate mounts from the node's: %w", err)
			return
		}
		result <- call()
	}()
	return <-result
}

// overlay is the root file system of a container that was not started yet.
type overlay struct {
	point, upper, work string
	flags              uintptr
	data               string
	// directory is what the paths of lower directories are relative to.
	directory string
}

// errNotOverlay says that the root file system cannot be reset.
var errNotOverlay = errors.New("the root file system is not an overlay that can be reset")

// findOverlay returns the overlay that is mounted at a path, if its upper directory is empty: then it can be reset to
// this state. It returns errNotOverlay otherwise.
func findOverlay(point string) (*overlay, error) {
	list, err := mounts()
	if err != nil {
		return nil, err
	}
	for _, each := range slices.Backward(list) {
		if each.point != point {
			continue
		}
		if each.kind != "overlay" {
			return nil, errNotOverlay
		}
		found := &overlay{point: point, flags: mountFlags(each.options)}
		data := []string{}
		for _, option := range each.super {
			key, value, _ := strings.Cut(unescape(option), "=")
			switch key {
			case "rw":
				continue
			case "ro":
				return nil, errNotOverlay
			case "upperdir":
				found.upper = value
			case "workdir":
				found.work = value
			}
			data = append(data, unescape(option))
		}
		found.data = strings.Join(data, ",")
		if !filepath.IsAbs(found.upper) || !filepath.IsAbs(found.work) || len(found.data) >= os.Getpagesize() {
			return nil, errNotOverlay
		}
		// containerd mounts with paths relative to the directory of all snapshots if they are many:
		// snapshots/ID/fs is an upper directory, ID/fs a lower one.
		found.directory = filepath.Dir(filepath.Dir(found.upper))
		if empty, err := isEmpty(found.upper); err != nil || !empty {
			return nil, errors.Join(errNotOverlay, err)
		}
		return found, nil
	}
	return nil, errNotOverlay
}

func mountFlags(options []string) uintptr {
	names := map[string]uintptr{
		"nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC, "noatime": unix.MS_NOATIME,
		"nodiratime": unix.MS_NODIRATIME, "relatime": unix.MS_RELATIME,
	}
	flags := uintptr(0)
	for _, each := range options {
		flags |= names[each]
	}
	return flags
}

// reset empties the upper directory and mounts the overlay again. No process may use it.
func (o *overlay) reset() error {
	if err := unix.Unmount(o.point, unix.UMOUNT_NOFOLLOW); err != nil {
		return fmt.Errorf("cannot unmount %s: %w", o.point, err)
	}
	if err := removeContent(o.upper); err != nil {
		return errors.Join(err, o.mount())
	}
	return o.mount()
}

// mountLimit is how long the kernel may take to end the mount namespace of a restore that was killed. Until then the
// upper directory is in use by its copy of the mount.
const mountLimit = 2 * time.Second

func (o *overlay) mount() error {
	before, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := os.Chdir(o.directory); err != nil {
		return err
	}
	for end := time.Now().Add(mountLimit); ; time.Sleep(killPeriod) {
		if err = unix.Mount("overlay", o.point, "overlay", o.flags, o.data); err != unix.EBUSY || time.Now().After(end) {
			break
		}
	}
	if err != nil {
		err = fmt.Errorf("cannot mount %s: %w", o.point, err)
	}
	return errors.Join(err, os.Chdir(before))
}
