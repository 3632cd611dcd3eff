package restore

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// mountOverlay mounts an overlay with the file lower/file, and returns its directory.
func mountOverlay(t *testing.T, relative bool) (directory, point string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: an overlay is mounted")
	}
	directory = t.TempDir()
	// A space is escaped in mountinfo.
	point = filepath.Join(directory, "root fs")
	for _, name := range []string{"1/fs", "2/fs", "2/work", "root fs"} {
		must(t, os.MkdirAll(filepath.Join(directory, name), 0o755))
	}
	must(t, os.WriteFile(filepath.Join(directory, "1/fs/file"), []byte("lower"), 0o644))
	lower := filepath.Join(directory, "1/fs")
	if relative {
		before, err := os.Getwd()
		must(t, err)
		must(t, os.Chdir(directory))
		defer func() { must(t, os.Chdir(before)) }()
		lower = "1/fs"
	}
	options := "lowerdir=" + lower + ",upperdir=" + directory + "/2/fs,workdir=" + directory + "/2/work"
	if err := unix.Mount("overlay", point, "overlay", unix.MS_NODEV, options); err != nil {
		t.Skipf("cannot mount an overlay here: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(point, unix.MNT_DETACH) })
	return directory, point
}

func TestResetRemovesAllChanges(t *testing.T) {
	for _, relative := range []bool{false, true} {
		directory, point := mountOverlay(t, relative)
		found, err := findOverlay(point)
		must(t, err)
		if found.upper != directory+"/2/fs" || found.flags&unix.MS_NODEV == 0 {
			t.Errorf("got %+v", found)
		}
		must(t, os.Remove(filepath.Join(point, "file")))
		must(t, os.MkdirAll(filepath.Join(point, "made/inside"), 0o700))
		must(t, found.reset())
		if text, err := os.ReadFile(filepath.Join(point, "file")); err != nil || string(text) != "lower" {
			t.Errorf("got %q, %v", text, err)
		}
		if _, err := os.Lstat(filepath.Join(point, "made")); !os.IsNotExist(err) {
			t.Errorf("a directory is left: %v", err)
		}
		must(t, os.WriteFile(filepath.Join(point, "later"), nil, 0o600))
		if _, err := os.Lstat(filepath.Join(directory, "2/fs/later")); err != nil {
			t.Errorf("the upper directory is another one: %v", err)
		}
	}
}

func TestARootThatWasChangedOrIsNoOverlayCannotBeReset(t *testing.T) {
	_, point := mountOverlay(t, false)
	must(t, os.WriteFile(filepath.Join(point, "later"), nil, 0o600))
	for _, each := range []string{point, t.TempDir(), "/proc"} {
		if found, err := findOverlay(each); !errors.Is(err, errNotOverlay) {
			t.Errorf("%s: got %+v, %v", each, found, err)
		}
	}
}

func TestUnmountBelowLeavesOtherMounts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: file systems are mounted")
	}
	directory := t.TempDir()
	inside, nested, other := directory+"/state/criu-root", directory+"/state/criu-root/proc", directory+"/state-other"
	for _, each := range []string{inside, nested, other} {
		must(t, os.MkdirAll(each, 0o700))
		must(t, unix.Mount("tmpfs", each, "tmpfs", 0, ""))
		if each == inside {
			must(t, os.Mkdir(nested, 0o700))
		}
	}
	defer unix.Unmount(other, unix.MNT_DETACH)
	must(t, UnmountBelow(directory+"/state"))
	list, err := mounts()
	must(t, err)
	left := []string{}
	for _, each := range list {
		if strings.HasPrefix(each.point, directory) {
			left = append(left, each.point)
		}
	}
	if !slices.Equal(left, []string{other}) {
		t.Errorf("left: %q", left)
	}
}

func TestPrivateMountsEndWithTheProcess(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: a file system is mounted")
	}
	directory := t.TempDir()
	must(t, withPrivateMounts(func() error {
		output, err := exec.Command("sh", "-c", "mount -t tmpfs tmpfs "+directory+" && touch "+directory+"/inside").CombinedOutput()
		if err != nil {
			t.Logf("%s", output)
		}
		return err
	}))
	if _, err := os.Lstat(filepath.Join(directory, "inside")); !os.IsNotExist(err) {
		t.Errorf("the mount is visible: %v", err)
	}
}

func FuzzMountinfo(f *testing.F) {
	f.Add(`/a\040b\\`, `rw,lowerdir=a\,b:c,upperdir=/x`)
	f.Fuzz(func(t *testing.T, path, options string) {
		if got := unescape(path); len(got) > len(path) {
			t.Errorf("%q became %q", path, got)
		}
		if got := strings.Join(splitOptions(options), ","); got != options {
			t.Errorf("%q became %q", options, got)
		}
	})
}
