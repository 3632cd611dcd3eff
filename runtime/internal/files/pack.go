package files

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// PackOptions are the options of Pack.
type PackOptions struct {
	// Overlay reads whiteouts and opaque directories of an overlay's upper directory. Without it they are ordinary devices
	// and directories.
	Overlay bool
	// Skip leaves out entries by their last name; nil leaves out none.
	Skip   func(base string) bool
	Limits Limits
}

type packer struct {
	out     *tar.Writer
	options PackOptions
	device  uint64
	links   map[uint64]string
	buffer  []byte
	summary Summary
}

// Pack writes the content of a directory as a tar archive. It does not descend into other file systems. It returns an
// error for what an archive cannot hold: a redirected directory or metadata-only copy of an overlay, a file whose name
// begins with .wh. in an overlay, and a file that shrinks while it is read.
func Pack(dir string, to io.Writer, options PackOptions) (Summary, error) {
	fd, err := openDirectory(dir)
	if err != nil {
		return Summary{}, err
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return Summary{}, err
	}
	p := &packer{
		out: tar.NewWriter(to), options: options, device: stat.Dev, links: map[uint64]string{},
		buffer: make([]byte, bufferBytes),
	}
	err = p.directory(fd, "", &stat)
	if err == nil {
		err = p.out.Close()
	}
	return p.summary, err
}

// directory writes a directory and its content. Prefix is "" or ends with a slash.
func (p *packer) directory(fd int, prefix string, stat *unix.Stat_t) error {
	name := prefix
	if prefix == "" {
		name = "./"
	}
	header := headerOf(name, tar.TypeDir, stat)
	overlay, err := p.xattrs(fd, "", header)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := p.header(header); err != nil {
		return err
	}
	if overlay.opaque {
		marker := &tar.Header{Typeflag: tar.TypeReg, Name: prefix + opaqueMarker, Format: tar.FormatPAX}
		if err := p.header(marker); err != nil {
			return err
		}
	}
	names, err := list(fd)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, each := range names {
		if p.options.Skip != nil && p.options.Skip(each) {
			continue
		}
		if err := p.entry(fd, prefix, each); err != nil {
			return err
		}
	}
	return nil
}

// entry writes one entry of a directory. One that was removed since the directory was read is left out.
func (p *packer) entry(dir int, prefix, base string) error {
	name := prefix + base
	var stat unix.Stat_t
	if err := unix.Fstatat(dir, base, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return removed(name, err)
	}
	kind := stat.Mode & unix.S_IFMT
	if p.options.Overlay && kind == unix.S_IFCHR && stat.Rdev == 0 {
		return p.header(&tar.Header{Typeflag: tar.TypeReg, Name: prefix + whiteoutPrefix + base, Format: tar.FormatPAX})
	}
	if p.options.Overlay && strings.HasPrefix(base, whiteoutPrefix) {
		return fmt.Errorf("%s: names that begin with %s cannot be stored", name, whiteoutPrefix)
	}
	switch kind {
	case unix.S_IFSOCK:
		p.summary.Sockets++
		return nil
	case unix.S_IFDIR:
		fd, err := unix.Openat(dir, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return removed(name, err)
		}
		defer unix.Close(fd)
		if err := unix.Fstat(fd, &stat); err != nil {
			return err
		}
		if stat.Dev != p.device {
			return p.header(headerOf(name+"/", tar.TypeDir, &stat))
		}
		return p.directory(fd, name+"/", &stat)
	}
	if stat.Nlink > 1 {
		if first, known := p.links[stat.Ino]; known {
			header := headerOf(name, tar.TypeLink, &stat)
			header.Linkname, header.Size = first, 0
			return p.header(header)
		}
		p.links[stat.Ino] = name
	}
	if kind == unix.S_IFREG {
		return p.file(dir, base, name)
	}
	header := headerOf(name, 0, &stat)
	switch kind {
	case unix.S_IFLNK:
		header.Typeflag = tar.TypeSymlink
		target := make([]byte, unix.PathMax)
		size, err := unix.Readlinkat(dir, base, target)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		header.Linkname = string(target[:size])
	case unix.S_IFIFO:
		header.Typeflag = tar.TypeFifo
	case unix.S_IFCHR, unix.S_IFBLK:
		header.Typeflag = tar.TypeChar
		if kind == unix.S_IFBLK {
			header.Typeflag = tar.TypeBlock
		}
		header.Devmajor, header.Devminor = int64(unix.Major(stat.Rdev)), int64(unix.Minor(stat.Rdev))
	default:
		return fmt.Errorf("%s: unknown type of file %o", name, kind)
	}
	if _, err := p.xattrs(dir, base, header); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return p.header(header)
}

// file writes a regular file. Its metadata is read from the open file: a container that is not frozen may replace it.
func (p *packer) file(dir int, base, name string) error {
	fd, err := unix.Openat(dir, base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOATIME, 0)
	if err != nil {
		return removed(name, err)
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return fmt.Errorf("%s: changed its type while it was read", name)
	}
	header := headerOf(name, tar.TypeReg, &stat)
	header.Size = stat.Size
	overlay, err := p.xattrs(fd, "", header)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if overlay.metacopy {
		return fmt.Errorf("%s: the overlay has only metadata of this file (metacopy=on)", name)
	}
	if err := p.header(header); err != nil {
		return err
	}
	// The wrappers keep io.CopyBuffer from using its own, smaller buffers.
	written, err := io.CopyBuffer(struct{ io.Writer }{p.out}, io.LimitReader(file, stat.Size), p.buffer)
	if err == nil && written != stat.Size {
		err = fmt.Errorf("became shorter while it was read")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (p *packer) header(header *tar.Header) error {
	if err := p.summary.add(header.Size, p.options.Limits); err != nil {
		return err
	}
	if err := p.out.WriteHeader(header); err != nil {
		return fmt.Errorf("%s: %w", header.Name, err)
	}
	return nil
}

type overlayRecords struct{ opaque, metacopy bool }

// xattrs adds the extended attributes of an open file to a header, or, with a name, those of an entry of an open directory.
func (p *packer) xattrs(fd int, entry string, header *tar.Header) (overlayRecords, error) {
	var found overlayRecords
	path := procPath(fd, entry)
	get, listNames := unix.Lgetxattr, unix.Llistxattr
	if entry == "" {
		// The path is a link to the open file.
		get, listNames = unix.Getxattr, unix.Listxattr
	}
	names := make([]byte, maxXattr)
	size, err := listNames(path, names)
	if errors.Is(err, unix.ENOTSUP) || size == 0 && err == nil {
		return found, nil
	}
	if err != nil {
		return found, fmt.Errorf("cannot list extended attributes: %w", err)
	}
	value := make([]byte, maxXattr)
	for _, name := range strings.Split(strings.TrimSuffix(string(names[:size]), "\x00"), "\x00") {
		record, isOverlay := strings.CutPrefix(name, "trusted.overlay.")
		if p.options.Overlay && isOverlay {
			switch record {
			case "opaque":
				length, err := get(path, name, value)
				if err != nil {
					return found, err
				}
				found.opaque = string(value[:length]) == "y"
			case "metacopy":
				found.metacopy = true
			case "redirect":
				return found, errors.New("the overlay redirects this directory (redirect_dir=on)")
			}
		}
		if skipXattr(name) {
			continue
		}
		length, err := get(path, name, value)
		if err != nil {
			return found, fmt.Errorf("cannot read extended attribute %s: %w", name, err)
		}
		if header.PAXRecords == nil {
			header.PAXRecords = map[string]string{}
		}
		header.PAXRecords[xattrRecord+name] = string(value[:length])
	}
	return found, nil
}

// removed drops the error of an entry that does not exist any more.
func removed(name string, err error) error {
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

func headerOf(name string, kind byte, stat *unix.Stat_t) *tar.Header {
	return &tar.Header{
		Typeflag: kind, Name: name, Mode: int64(stat.Mode & 0o7777), Uid: int(stat.Uid), Gid: int(stat.Gid),
		ModTime: time.Unix(stat.Mtim.Sec, stat.Mtim.Nsec), Format: tar.FormatPAX,
	}
}

// list returns the names in an open directory, sorted.
func list(dir int) ([]string, error) {
	// The directory's own descriptor has one position, which a second reader would share.
	fd, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), ".")
	defer file.Close()
	names, err := file.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}
