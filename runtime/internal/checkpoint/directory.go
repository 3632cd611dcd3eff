package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"

	"golang.org/x/sys/unix"
)

// Read opens and validates checkpoint.json in a directory. It follows no links.
func Read(root *os.Root) (*Checkpoint, error) {
	file, err := open(root, File)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return Parse(file)
}

// ReadIn opens and validates checkpoint.json in the directory of a path.
func ReadIn(directory string) (*Checkpoint, error) {
	root, err := os.OpenRoot(directory)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return Read(root)
}

// Write validates the metadata and writes checkpoint.json, synced to disk.
func Write(root *os.Root, c *Checkpoint) error {
	if err := c.Validate(); err != nil {
		return fmt.Errorf("%s: %w", File, err)
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(c); err != nil {
		return err
	}
	if text.Len() > MaxBytes {
		return fmt.Errorf("%s has %d bytes, more than %d", File, text.Len(), MaxBytes)
	}
	file, err := root.OpenFile(File, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text.Bytes())
	return errors.Join(err, file.Sync(), file.Close())
}

// Paths returns size and checksum of all files that the metadata names, by path relative to the checkpoint's directory.
func (c *Checkpoint) Paths() map[string]Archive {
	paths := map[string]Archive{}
	for _, container := range c.Containers {
		for _, each := range container.Files {
			paths[path.Join(Containers, container.Name, each.Path)] = each.Archive
		}
	}
	for _, each := range c.Volumes {
		paths[path.Join(Volumes, each.Name+".tar")] = each.Archive
	}
	if c.SharedMemory != nil {
		paths[SharedMemory] = *c.SharedMemory
	}
	return paths
}

// Verify checks that the directory holds exactly the regular files that the metadata names, with their sizes.
func (c *Checkpoint) Verify(root *os.Root) error {
	paths := c.Paths()
	err := fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || name == File {
			return err
		}
		want, known := paths[name]
		if !known {
			return fmt.Errorf("%s is not named in %s", name, File)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is not a regular file", name)
		}
		if info.Size() != want.Size {
			return fmt.Errorf("%s has %d bytes, not %d", name, info.Size(), want.Size)
		}
		want.Size = -1
		paths[name] = want
		return nil
	})
	if err != nil {
		return err
	}
	for name, each := range paths {
		if each.Size != -1 {
			return fmt.Errorf("%s is missing", name)
		}
	}
	return nil
}

// Digest returns size and sha256 of a regular file. It follows no link at the end of the path.
func Digest(root *os.Root, name string) (int64, string, error) {
	return hashOf(root, name, sha256.New())
}

// ArchiveOf returns size and checksum of a regular file. It follows no link at the end of the path.
func ArchiveOf(root *os.Root, name string) (Archive, error) {
	size, sum, err := hashOf(root, name, NewChecksum())
	return Archive{size, sum}, err
}

// NewChecksum returns the hash of CRC32C: CRC-32 with Castagnoli's polynomial, for which processors have an instruction.
func NewChecksum() hash.Hash {
	return crc32.New(crc32.MakeTable(crc32.Castagnoli))
}

func hashOf(root *os.Root, name string, hash hash.Hash) (int64, string, error) {
	file, err := open(root, name)
	if err != nil {
		return 0, "", err
	}
	defer file.Close()
	size, err := io.CopyBuffer(struct{ io.Writer }{hash}, struct{ io.Reader }{file}, make([]byte, 1<<20))
	return size, hex.EncodeToString(hash.Sum(nil)), err
}

// Each calls a function for each name, on at most workers goroutines, and returns the first error in the order of names.
func Each(names []string, workers int, call func(name string) error) error {
	errs := make([]error, len(names))
	limit := make(chan struct{}, max(workers, 1))
	var group sync.WaitGroup
	for i, name := range names {
		limit <- struct{}{}
		group.Add(1)
		go func() {
			defer group.Done()
			errs[i] = call(name)
			<-limit
		}()
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// open opens a regular file. O_NONBLOCK keeps a FIFO in its place from blocking.
func open(root *os.Root, name string) (*os.File, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	file, err := root.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	return file, nil
}
