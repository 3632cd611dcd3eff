package files

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func (u *unpacker) file(dir int, base string, header *tar.Header, content io.Reader) error {
	fd, err := unix.Openat(dir, base, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), base)
	defer file.Close()
	if _, err := io.CopyBuffer(struct{ io.Writer }{file}, struct{ io.Reader }{content}, u.buffer); err != nil {
		return err
	}
	return setMetadata(dir, base, header)
}

// makeDirectory creates a directory in the place of anything that is none.
func makeDirectory(dir int, base string, header *tar.Header) error {
	err := unix.Mkdirat(dir, base, 0o700)
	if errors.Is(err, unix.EEXIST) {
		var stat unix.Stat_t
		if err := unix.Fstatat(dir, base, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		err = nil
		if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
			if err = removeAt(dir, base); err == nil {
				err = unix.Mkdirat(dir, base, 0o700)
			}
		}
	}
	if err != nil {
		return err
	}
	return setMetadata(dir, base, header)
}

// setMetadata sets owner, mode, extended attributes and time of an entry, or of the directory itself if base is empty.
// A change of the owner clears setuid and file capabilities, so it comes first.
func setMetadata(dir int, base string, header *tar.Header) error {
	if header.Typeflag == tar.TypeSymlink {
		if err := unix.Fchownat(dir, base, header.Uid, header.Gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		if err := setXattrs(procPath(dir, base), header, unix.Lsetxattr); err != nil {
			return err
		}
		return unix.UtimesNanoAt(dir, base, timesOf(header.ModTime), unix.AT_SYMLINK_NOFOLLOW)
	}
	target := dir
	if base != "" {
		fd, err := unix.Openat(dir, base, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		target = fd
	}
	opened := procPath(target, "")
	if err := unix.Chown(opened, header.Uid, header.Gid); err != nil {
		return err
	}
	if err := unix.Chmod(opened, uint32(header.Mode)); err != nil {
		return err
	}
	if err := setXattrs(opened, header, unix.Setxattr); err != nil {
		return err
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, opened, timesOf(header.ModTime), 0)
}

func setXattrs(path string, header *tar.Header, set func(string, string, []byte, int) error) error {
	for record, value := range header.PAXRecords {
		if name, isXattr := strings.CutPrefix(record, xattrRecord); isXattr {
			if err := set(path, name, []byte(value), 0); err != nil {
				return fmt.Errorf("cannot set extended attribute %s: %w", name, err)
			}
		}
	}
	return nil
}

func timesOf(modified time.Time) []unix.Timespec {
	spec := unix.NsecToTimespec(modified.UnixNano())
	return []unix.Timespec{spec, spec}
}

// removeAt removes an entry with its content. It is no error if there is none.
func removeAt(dir int, base string) error {
	err := unix.Unlinkat(dir, base, 0)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	if !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EPERM) {
		return err
	}
	fd, err := openBelow(dir, base, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	err = removeContent(fd)
	unix.Close(fd)
	if err != nil {
		return err
	}
	return unix.Unlinkat(dir, base, unix.AT_REMOVEDIR)
}

func removeContent(dir int) error {
	names, err := list(dir)
	if err != nil {
		return err
	}
	for _, each := range names {
		if err := removeAt(dir, each); err != nil {
			return err
		}
	}
	return nil
}
