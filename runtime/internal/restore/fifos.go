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
)

// fifoImage has the content of FIFOs.
const fifoImage = "fifo-data.img"

// restoreFIFOsOnce writes a private copy of fifo-data.img without the content of FIFOs that CRIU restored with another container
// of the pod: each container that has a FIFO open for reading has its content in its images. It returns the path of the copy, or ""
// if there is no such content, and records the FIFOs whose content CRIU restores with this container.
func (r *run) restoreFIFOsOnce(entry *plan.Container) (string, error) {
	files, err := os.Open(filepath.Join(r.images(), filesImage))
	if err != nil {
		// CRIU reports what it misses.
		return "", notMissing(err)
	}
	defer files.Close()
	found, err := images.ReadFIFOs(files)
	if err != nil {
		return "", unlessFormat(err)
	}
	names := map[uint32]string{}
	destinations := resolveDestinations(r.Call.Bundle, r.spec)
	for _, each := range found {
		if name := fifoName(r.spec, destinations, each.Path); name != "" {
			names[each.ID] = name
		}
	}
	if len(names) == 0 {
		return "", nil
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

// fifoName returns device and inode of a FIFO below a bind mount of a container, which other containers can have too. It is
// empty for any other path, and for a FIFO that was deleted: CRIU creates that one again, for each container.
func fifoName(spec *specs.Spec, destinations []string, name string) string {
	source, relative := locate(spec, destinations, name)
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

// openFIFO opens both ends of a FIFO that has a fifoName.
func openFIFO(spec *specs.Spec, destinations []string, name string) (*os.File, error) {
	source, relative := locate(spec, destinations, name)
	if relative == "" {
		return os.OpenFile(source, openNonblocking, 0)
	}
	root, err := os.OpenRoot(source)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.OpenFile(relative, openNonblocking, 0)
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
