// Package files packs a directory into a tar archive and unpacks it again: the changes of a container's root file system
// (the upper directory of an overlay), an emptyDir, /dev/shm.
//
// The archive has the form of an OCI layer: PAX headers, extended attributes as SCHILY.xattr records, deletions as
// .wh.NAME and opaque directories as .wh..wh..opq. Entries are sorted by name within each directory, a directory before
// its content; the first entry "./" is the directory itself.
//
// Both directions use file descriptors relative to the directory and follow no links: its content belongs to a container.
package files

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	whiteoutPrefix = ".wh."
	opaqueMarker   = ".wh..wh..opq"
	xattrRecord    = "SCHILY.xattr."
	// maxXattr is the largest value and list of names that Linux has: XATTR_SIZE_MAX, XATTR_LIST_MAX.
	maxXattr = 65536
	// bufferBytes is the size of one read. 1 MiB was as fast as larger ones.
	bufferBytes = 1 << 20
)

// Limits bounds what Pack writes and Unpack accepts.
type Limits struct {
	// Bytes is the largest sum of the sizes of regular files; 0 means none.
	Bytes int64
	// Entries is the largest number of entries; 0 means none.
	Entries int64
}

// Summary counts what was packed or unpacked.
type Summary struct {
	Entries int64
	// Bytes is the sum of the sizes of regular files.
	Bytes int64
	// Sockets is the number of unix sockets that Pack left out. CRIU creates those of listening processes.
	Sockets int64
}

// ErrTooLarge is returned when a limit is exceeded.
var ErrTooLarge = errors.New("exceeds the limit")

func (s *Summary) add(size int64, limits Limits) error {
	s.Entries++
	s.Bytes += size
	if limits.Bytes > 0 && s.Bytes > limits.Bytes {
		return fmt.Errorf("content %w of %d bytes", ErrTooLarge, limits.Bytes)
	}
	if limits.Entries > 0 && s.Entries > limits.Entries {
		return fmt.Errorf("content %w of %d entries", ErrTooLarge, limits.Entries)
	}
	return nil
}

// procPath returns a path to an open file, for system calls that take no descriptor. With a name, the path is of an
// entry of an open directory.
func procPath(fd int, name string) string {
	path := fmt.Sprintf("/proc/self/fd/%d", fd)
	if name == "" {
		return path
	}
	return path + "/" + name
}

// openBelow opens a path below a directory. The path may not contain links or lead to another file system.
func openBelow(dir int, path string, flags int) (int, error) {
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC | unix.O_NOFOLLOW),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	}
	for {
		fd, err := unix.Openat2(dir, path, &how)
		if err != unix.EINTR && err != unix.EAGAIN {
			return fd, err
		}
	}
}

// openDirectory opens a directory by its path, of which only the last part may not be a link.
func openDirectory(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("cannot open directory %s: %w", path, err)
	}
	return fd, nil
}

// skipXattr leaves out what belongs to the mount and not to the file: the overlay's records, and labels that the runtime
// of the new container sets.
func skipXattr(name string) bool {
	return strings.HasPrefix(name, "trusted.overlay.") || strings.HasPrefix(name, "user.overlay.") ||
		name == "security.selinux"
}
