// Package parts divides a checkpoint into what is stored and moved as one stream:
//
//	metadata                     checkpoint.json, as it is
//	containers/NAME/images       image set of CRIU, as a tar archive
//	containers/NAME/rootfs       changes of the root file system
//	volumes/NAME                 content of an emptyDir
//	shm                          content of the pod's /dev/shm
//
// All but the metadata are tar archives that travel compressed with zstd.
package parts

import (
	"archive/tar"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"cedana.ai/cdk/runtime/internal/checkpoint"
)

const (
	// Metadata is the name of the part with checkpoint.json.
	Metadata = "metadata"

	images       = "images"
	rootfs       = "rootfs"
	sharedMemory = "shm"
)

// File is a file of a checkpoint.
type File struct {
	// Path is relative to the checkpoint's directory.
	Path string
	// Name is the name in the archive of the part; empty if the file is the archive.
	Name string
	checkpoint.Archive
}

// Part is one part of a checkpoint, other than the metadata.
type Part struct {
	Name string
	// Path is the file or directory of the part, relative to the checkpoint's directory.
	Path string
	// Files are the files of the part, in the order of the archive. It is one file if Archive is true.
	Files []File
	// Archive says that the file is an archive itself.
	Archive bool
}

// Of returns a part of a checkpoint. It returns an error if the checkpoint has no such part.
func Of(c *checkpoint.Checkpoint, name string) (*Part, error) {
	for _, each := range All(c) {
		if each.Name == name {
			return &each, nil
		}
	}
	return nil, fmt.Errorf("checkpoint %s has no part %.300q", c.UID, name)
}

// All returns all parts of a checkpoint but the metadata, in the order of the metadata.
func All(c *checkpoint.Checkpoint) []Part {
	all := []Part{}
	for _, container := range c.Containers {
		directory := path.Join(checkpoint.Containers, container.Name)
		set := Part{Name: path.Join(directory, images), Path: path.Join(directory, checkpoint.Images)}
		for _, each := range container.Files {
			file := File{path.Join(directory, each.Path), "", each.Archive}
			if base, found := strings.CutPrefix(each.Path, checkpoint.Images+"/"); found {
				file.Name = base
				set.Files = append(set.Files, file)
			} else {
				all = append(all, archive(path.Join(directory, rootfs), file))
			}
		}
		// Pages come last: a restore can begin before it has all of them.
		slices.SortStableFunc(set.Files, func(a, b File) int { return order(IsPages(a.Name)) - order(IsPages(b.Name)) })
		all = append(all, set)
	}
	for _, each := range c.Volumes {
		file := File{path.Join(checkpoint.Volumes, each.Name+".tar"), "", each.Archive}
		all = append(all, archive(path.Join(checkpoint.Volumes, each.Name), file))
	}
	if c.SharedMemory != nil {
		all = append(all, archive(sharedMemory, File{checkpoint.SharedMemory, "", *c.SharedMemory}))
	}
	return all
}

func order(last bool) int {
	if last {
		return 1
	}
	return 0
}

func archive(name string, file File) Part {
	return Part{Name: name, Path: file.Path, Files: []File{file}, Archive: true}
}

// Bytes returns the sum of the sizes of the files.
func (p *Part) Bytes() int64 {
	sum := int64(0)
	for _, each := range p.Files {
		sum += each.Size
	}
	return sum
}

// Size returns the size of the part's archive in bytes.
func (p *Part) Size() (int64, error) {
	if p.Archive {
		return p.Files[0].Size, nil
	}
	size := int64(trailerBytes)
	for _, each := range p.Files {
		var header counter
		if err := tar.NewWriter(&header).WriteHeader(headerOf(each)); err != nil {
			return 0, err
		}
		size += int64(header) + (each.Size+blockBytes-1)/blockBytes*blockBytes
	}
	return size, nil
}

const (
	blockBytes = 512
	// trailerBytes is the end of a tar archive: two blocks of zeros.
	trailerBytes = 2 * blockBytes
)

// headerOf returns a header that depends on the metadata only, so that one part always has the same archive.
func headerOf(file File) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: file.Name, Size: file.Size, Mode: 0o600}
}

type counter int64

func (c *counter) Write(data []byte) (int, error) {
	*c += counter(len(data))
	return len(data), nil
}

var _ io.Writer = new(counter)
