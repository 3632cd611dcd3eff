// The program split divides the memory of a checkpoint between a dump and a pre-dump, for tests on nodes whose kernel does
// not track memory: `split DIRECTORY`. Of each range of pages, the first half is only in the pre-dump and the second half
// only in the dump; in place of the other half, the pre-dump has zeros.
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"

	"cedana.ai/cdk/runtime/internal/checkpoint"
)

const (
	pageBytes = 4096
	// headerBytes are two magic numbers. Entries follow: 4 bytes with the size, and a protocol buffer.
	headerBytes = 8
	// Flags of an entry (criu/include/pagemap.h).
	inParent = 1
	present  = 4
)

func main() {
	if err := split(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func split(directory string) error {
	root, err := os.OpenRoot(directory)
	if err != nil {
		return err
	}
	c, err := checkpoint.Read(root)
	if err != nil {
		return err
	}
	for i := range c.Containers {
		container := &c.Containers[i]
		images := path.Join(checkpoint.Containers, container.Name, checkpoint.Images)
		names, err := splitImages(filepath.Join(directory, images))
		if err != nil {
			return err
		}
		for _, name := range names {
			container.Files = append(container.Files, checkpoint.FileEntry{Path: path.Join(checkpoint.Images, name)})
		}
		for at := range container.Files {
			each := &container.Files[at]
			if each.Archive, err = checkpoint.ArchiveOf(root, path.Join(checkpoint.Containers, container.Name, each.Path)); err != nil {
				return err
			}
		}
	}
	c.PreDump = &checkpoint.PreDump{Passes: 1}
	return errors.Join(root.Remove(checkpoint.File), checkpoint.Write(root, c))
}

// splitImages returns the names of the files that it added, relative to the directory of the images.
func splitImages(images string) ([]string, error) {
	parent := filepath.Join(images, checkpoint.Parent)
	if err := os.Mkdir(parent, 0o700); err != nil {
		return nil, err
	}
	maps, err := filepath.Glob(images + "/pagemap-[0-9]*.img")
	if err != nil {
		return nil, err
	}
	added := []string{"inventory.img"}
	inventory, err := os.ReadFile(images + "/inventory.img")
	if err == nil {
		err = os.WriteFile(parent+"/inventory.img", inventory, 0o600)
	}
	for _, name := range maps {
		if err != nil {
			return nil, err
		}
		var pages string
		if pages, err = splitPages(images, parent, filepath.Base(name)); err == nil {
			added = append(added, filepath.Base(name), pages)
		}
	}
	for i := range added {
		added[i] = path.Join(checkpoint.Parent, added[i])
	}
	return added, err
}

// splitPages divides the pages of one process, and returns the name of the file with its pages.
func splitPages(images, parent, name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(images, name))
	if err != nil {
		return "", err
	}
	entries := [][]uint64{}
	for at := headerBytes; at < len(text); {
		size := int(binary.LittleEndian.Uint32(text[at:]))
		at += 4
		entries = append(entries, fieldsOf(text[at:at+size]))
		at += size
	}
	pagesName := fmt.Sprintf("pages-%d.img", entries[0][1])
	pages, err := os.ReadFile(filepath.Join(images, pagesName))
	if err != nil {
		return "", err
	}
	head := append(slices.Clone(text[:headerBytes]), message(1, entries[0][1])...)
	before, after := slices.Clone(head), slices.Clone(head)
	left := []byte{}
	at := 0
	for _, each := range entries[1:] {
		// CRIU 4.2 has the number of pages in field 5, and a number for older versions in field 2.
		begin, count := each[1], int(max(each[2], each[5]))
		if each[4]&present == 0 || each[4]&inParent != 0 {
			return "", fmt.Errorf("%s has an entry with the flags %d", name, each[4])
		}
		half := count / 2
		content := pages[at : at+count*pageBytes]
		at += len(content)
		before = append(before, message(1, begin, 2, uint64(count), 4, each[4], 5, uint64(count))...)
		if half > 0 {
			after = append(after, message(1, begin, 2, uint64(half), 3, 1, 4, inParent, 5, uint64(half))...)
		}
		after = append(after, message(1, begin+uint64(half*pageBytes), 2, uint64(count-half), 4, each[4], 5, uint64(count-half))...)
		left = append(left, content[half*pageBytes:]...)
		clear(content[half*pageBytes:])
	}
	if at != len(pages) {
		return "", fmt.Errorf("%s describes %d bytes of %s, which has %d: %v", name, at, pagesName, len(pages), entries)
	}
	return pagesName, errors.Join(
		os.WriteFile(filepath.Join(parent, name), before, 0o600), os.WriteFile(filepath.Join(parent, pagesName), pages, 0o600),
		os.WriteFile(filepath.Join(images, name), after, 0o600), os.WriteFile(filepath.Join(images, pagesName), left, 0o600),
	)
}

// fieldsOf returns the numbers of a protocol buffer by the number of their field.
func fieldsOf(text []byte) []uint64 {
	found := make([]uint64, 8)
	for len(text) > 0 {
		key, read := binary.Uvarint(text)
		value, more := binary.Uvarint(text[read:])
		found[key>>3&7], text = value, text[read+more:]
	}
	return found
}

// message returns an entry with fields and their values.
func message(list ...uint64) []byte {
	body := []byte{}
	for i := 0; i < len(list); i += 2 {
		body = binary.AppendUvarint(binary.AppendUvarint(body, list[i]<<3), list[i+1])
	}
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(body))), body...)
}
