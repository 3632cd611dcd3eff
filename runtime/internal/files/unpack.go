package files

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// UnpackOptions are the options of Unpack and Check.
type UnpackOptions struct {
	// Overlay applies whiteouts and opaque directories as deletions. Without it their names are an error.
	Overlay bool
	// Devices permits character and block devices. Set it for a container with CAP_MKNOD only.
	Devices bool
	Limits  Limits
}

type unpacker struct {
	root    int
	options UnpackOptions
	buffer  []byte
	summary Summary
	// times are set at the end: an entry that is created in a directory changes the directory's time.
	times []directoryTime
}

type directoryTime struct {
	name string
	time time.Time
}

// Check reads a whole archive and returns the first error that Unpack would return for its content, without writing.
func Check(from io.Reader, options UnpackOptions) (Summary, error) {
	u := &unpacker{root: -1, options: options, buffer: make([]byte, bufferBytes)}
	return u.summary, u.read(from)
}

// Unpack unpacks an archive of Pack over a directory. An entry replaces what has its name, but for a directory that is a
// directory already: that keeps its content. No entry is written through a link, also not one of the directory's own.
// After an error the directory can be changed in part.
func Unpack(from io.Reader, dir string, options UnpackOptions) (Summary, error) {
	root, err := openDirectory(dir)
	if err != nil {
		return Summary{}, err
	}
	defer unix.Close(root)
	u := &unpacker{root: root, options: options, buffer: make([]byte, bufferBytes)}
	if err := u.read(from); err != nil {
		return u.summary, err
	}
	for _, each := range slices.Backward(u.times) {
		if err := u.setTime(each); err != nil {
			return u.summary, fmt.Errorf("%s: %w", each.name, err)
		}
	}
	return u.summary, nil
}

func (u *unpacker) read(from io.Reader) error {
	reader := tar.NewReader(from)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := u.check(header)
		if err == nil && u.root >= 0 {
			err = u.entry(name, header, reader)
		}
		if err != nil {
			return fmt.Errorf("%.200q: %w", header.Name, err)
		}
	}
}

// check validates a header and returns its name without a slash at the end; "." for the directory itself.
func (u *unpacker) check(header *tar.Header) (string, error) {
	name, err := local(header.Name)
	if err != nil {
		return "", err
	}
	if err := u.summary.add(header.Size, u.options.Limits); err != nil {
		return "", err
	}
	switch header.Typeflag {
	case tar.TypeReg, tar.TypeSymlink, tar.TypeFifo:
	case tar.TypeDir:
	case tar.TypeLink:
		if _, err := local(header.Linkname); err != nil {
			return "", fmt.Errorf("hard link to %.200q: %w", header.Linkname, err)
		}
	case tar.TypeChar, tar.TypeBlock:
		if !u.options.Devices {
			return "", errors.New("devices are not permitted")
		}
	default:
		return "", fmt.Errorf("type %q is not supported", header.Typeflag)
	}
	if name == "." && header.Typeflag != tar.TypeDir {
		return "", errors.New("the root is not a directory")
	}
	if strings.HasPrefix(path.Base(name), whiteoutPrefix) {
		base := strings.TrimPrefix(path.Base(name), whiteoutPrefix)
		if !u.options.Overlay {
			return "", errors.New("deletions are not permitted")
		}
		if path.Base(name) != opaqueMarker && (base == "" || base == "." || base == "..") || header.Typeflag != tar.TypeReg || header.Size != 0 {
			return "", errors.New("the deletion is invalid")
		}
	}
	if header.Mode&^0o7777 != 0 || header.Uid < 0 || header.Gid < 0 || int64(header.Uid) > 1<<32-2 || int64(header.Gid) > 1<<32-2 {
		return "", errors.New("mode or owner is invalid")
	}
	for record, value := range header.PAXRecords {
		name, isXattr := strings.CutPrefix(record, xattrRecord)
		if isXattr && (skipXattr(name) || len(name) > 255 || len(value) > maxXattr) {
			return "", fmt.Errorf("extended attribute %.80q is not permitted", name)
		}
	}
	return name, nil
}

// local accepts a relative path without empty, "." and ".." parts. One slash at the end is permitted.
func local(name string) (string, error) {
	if name == "./" || name == "." {
		return ".", nil
	}
	name = strings.TrimSuffix(name, "/")
	if len(name) >= unix.PathMax || strings.ContainsRune(name, 0) {
		return "", errors.New("the name is invalid")
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." || len(part) > unix.NAME_MAX {
			return "", errors.New("the name is not a plain relative path")
		}
	}
	return name, nil
}

func (u *unpacker) entry(name string, header *tar.Header, content io.Reader) error {
	if name == "." {
		u.times = append(u.times, directoryTime{name, header.ModTime})
		return setMetadata(u.root, "", header)
	}
	dir, err := u.openParent(name)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	base := path.Base(name)
	if base == opaqueMarker {
		return removeContent(dir)
	}
	if deleted, isWhiteout := strings.CutPrefix(base, whiteoutPrefix); isWhiteout {
		return removeAt(dir, deleted)
	}
	if header.Typeflag == tar.TypeDir {
		u.times = append(u.times, directoryTime{name, header.ModTime})
		return makeDirectory(dir, base, header)
	}
	if err := removeAt(dir, base); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeReg:
		return u.file(dir, base, header, content)
	case tar.TypeLink:
		return u.link(dir, base, header.Linkname)
	case tar.TypeSymlink:
		err = unix.Symlinkat(header.Linkname, dir, base)
	case tar.TypeFifo:
		err = unix.Mknodat(dir, base, unix.S_IFIFO|0o600, 0)
	case tar.TypeChar, tar.TypeBlock:
		kind := uint32(unix.S_IFCHR)
		if header.Typeflag == tar.TypeBlock {
			kind = unix.S_IFBLK
		}
		err = unix.Mknodat(dir, base, kind|0o600, int(unix.Mkdev(uint32(header.Devmajor), uint32(header.Devminor))))
	}
	if err != nil {
		return err
	}
	return setMetadata(dir, base, header)
}

func (u *unpacker) openParent(name string) (int, error) {
	fd, err := openBelow(u.root, path.Dir(name), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return -1, fmt.Errorf("cannot open its directory: %w", err)
	}
	return fd, nil
}

func (u *unpacker) link(dir int, base, target string) error {
	// check accepted the name.
	target, _ = local(target)
	from, err := u.openParent(target)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	return unix.Linkat(from, path.Base(target), dir, base, 0)
}

func (u *unpacker) setTime(each directoryTime) error {
	fd, err := openBelow(u.root, each.name, unix.O_RDONLY|unix.O_DIRECTORY)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		// A later entry of the archive replaced the directory.
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.UtimesNanoAt(unix.AT_FDCWD, procPath(fd, ""), timesOf(each.time), 0)
}
