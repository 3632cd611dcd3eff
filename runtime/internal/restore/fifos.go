package restore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"cedana.ai/cdk/runtime/internal/images"
	"cedana.ai/cdk/runtime/internal/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// fifoImage has the content of FIFOs.
const fifoImage = "fifo-data.img"

// openNonblocking opens both ends of a FIFO, which never waits.
const openNonblocking = os.O_RDWR | unix.O_NONBLOCK | unix.O_NOFOLLOW

// volumeFIFO is a FIFO below a bind mount that a container has open, and that other containers can have open too.
type volumeFIFO struct {
	// id is the number of its content in fifo-data.img.
	id uint32
	// name is its device and inode.
	name string
	// source is the source of the bind mount, and relative the path in it.
	source, relative string
}

// volumeFIFOs returns the FIFOs of volumes that this container has open, one for each time that it was opened. It returns none
// of an image that is missing or that cannot be read: CRIU reports that.
func (r *run) volumeFIFOs() ([]volumeFIFO, error) {
	file, err := os.Open(filepath.Join(r.images(), filesImage))
	if err != nil {
		return nil, notMissing(err)
	}
	defer file.Close()
	found, err := images.ReadFIFOs(file)
	if err != nil || len(found) == 0 {
		return nil, unlessFormat(err)
	}
	destinations, all := resolveDestinations(r.Call.Bundle, r.spec), []volumeFIFO{}
	for _, each := range found {
		source, relative := locate(r.spec, destinations, each.Path)
		if name := fifoName(source, relative); name != "" {
			all = append(all, volumeFIFO{each.ID, name, source, relative})
		}
	}
	return all, nil
}

// restoreFIFOsOnce writes a private copy of fifo-data.img without the content of FIFOs that CRIU restored with another container
// of the pod: each container that has a FIFO open for reading has its content in its images. It returns the path of the copy, or ""
// if there is no such content, and records the FIFOs whose content CRIU restores with this container.
func (r *run) restoreFIFOsOnce(entry *plan.Container, fifos []volumeFIFO) (string, error) {
	if len(fifos) == 0 {
		return "", nil
	}
	names := map[uint32]string{}
	for _, each := range fifos {
		names[each.id] = each.name
	}
	dropped := map[uint32]bool{}
	for id, name := range names {
		dropped[id] = r.hasFIFO(name)
	}
	source, err := os.Open(filepath.Join(r.images(), fifoImage))
	if err != nil {
		return "", notMissing(err)
	}
	defer source.Close()
	copied := filepath.Join(r.work(), fifoImage)
	target, err := os.OpenFile(copied, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	kept, err := images.DropContent(source, target, dropped)
	if closeErr := target.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return "", unlessFormat(fmt.Errorf("%s: %w", fifoImage, err))
	}
	for _, id := range kept {
		if names[id] != "" {
			entry.FIFOs = append(entry.FIFOs, names[id])
		}
	}
	slices.Sort(entry.FIFOs)
	return copied, nil
}

// hasFIFO says if the content of a FIFO was restored with another container.
func (r *run) hasFIFO(name string) bool {
	for container, each := range r.state.Containers {
		if container != r.Pod.Container && each.Phase == plan.Restored && slices.Contains(each.FIFOs, name) {
			return true
		}
	}
	return false
}

// fifoName returns device and inode of a FIFO below the source of a bind mount. It is empty without a source, for any other file,
// and for a FIFO that was deleted: CRIU creates that one again, for each container.
func fifoName(source, relative string) string {
	if source == "" {
		return ""
	}
	info, err := lstatBelow(source, relative)
	if err != nil || info.Mode().Type() != fs.ModeNamedPipe {
		return ""
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

// open opens both ends of a FIFO.
func (f volumeFIFO) open() (*os.File, error) {
	if f.relative == "" {
		return os.OpenFile(f.source, openNonblocking, 0)
	}
	root, err := os.OpenRoot(f.source)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.OpenFile(f.relative, openNonblocking, 0)
}

// locate returns the source of the bind mount that has a path of a container, and the path relative to it. The source is empty
// for a path of another mount, or of the root file system.
func locate(spec *specs.Spec, destinations []string, name string) (source, relative string) {
	name = path.Join("/", name)
	at := -1
	for i, destination := range destinations {
		if isBelow(name, destination) && (at < 0 || len(destination) >= len(destinations[at])) {
			at = i
		}
	}
	if at < 0 || spec.Mounts[at].Type != "bind" {
		return "", ""
	}
	return spec.Mounts[at].Source, strings.TrimPrefix(strings.TrimPrefix(name, destinations[at]), "/")
}

func isBelow(name, directory string) bool {
	return name == directory || directory == "/" || strings.HasPrefix(name, directory+"/")
}

// lstatBelow describes a file of a volume. Links of the volume do not lead out of it.
func lstatBelow(source, name string) (fs.FileInfo, error) {
	if name == "" {
		return os.Lstat(source)
	}
	root, err := os.OpenRoot(source)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.Lstat(name)
}

func notMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// unlessFormat drops the error of an image that only CRIU can read: CRIU reports what it cannot read.
func unlessFormat(err error) error {
	if errors.Is(err, images.ErrFormat) {
		return nil
	}
	return err
}
