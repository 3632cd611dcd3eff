package images

import (
	"bufio"
	"fmt"
	"io"
)

// Fields of a file that is a regular file, and of one that is a FIFO, as seen in images of CRIU 4.2.1.
const (
	regularFile = 3
	fifoFile    = 17
	// regularName is the field of a regular file with its path.
	regularName = 6
	// fifoContent is the field of a FIFO with the number of its content, and fifoRegular that of the regular file with its path.
	fifoContent = 2
	fifoRegular = 3
)

// FIFO is an open FIFO.
type FIFO struct {
	// ID is the number of its content in fifo-data.img.
	ID uint32
	// Path is its path in the container.
	Path string
}

// ReadFIFOs returns the FIFOs of files.img, one for each time that it was opened.
func ReadFIFOs(from io.Reader) ([]FIFO, error) {
	reader := bufio.NewReader(from)
	if err := readHead(reader, filesMagic); err != nil {
		return nil, err
	}
	paths := map[uint64]string{}
	type named struct{ id, file uint64 }
	found := []named{}
	file := func(each field) error {
		if each.number != regularFile && each.number != fifoFile {
			return nil
		}
		if each.kind != bytesType {
			return fmt.Errorf("%w: a file is no message", ErrFormat)
		}
		if each.number == fifoFile {
			var fifo named
			err := numbers(each.bytes, map[int]*uint64{fifoContent: &fifo.id, fifoRegular: &fifo.file})
			found = append(found, fifo)
			return err
		}
		var id uint64
		if err := numbers(each.bytes, map[int]*uint64{1: &id}); err != nil {
			return err
		}
		return eachField(each.bytes, func(each field) error {
			if each.number == regularName {
				paths[id] = string(each.bytes)
			}
			return nil
		})
	}
	if err := eachEntry(reader, func(message []byte) error { return eachField(message, file) }); err != nil {
		return nil, err
	}
	all := []FIFO{}
	for _, each := range found {
		if path, ok := paths[each.file]; ok && each.id <= 1<<32-1 {
			all = append(all, FIFO{uint32(each.id), path})
		}
	}
	return all, nil
}

// DropContent copies fifo-data.img without the content of some FIFOs, by ID. It returns the IDs of all others. CRIU restores a
// FIFO without content as it finds it.
func DropContent(from io.Reader, to io.Writer, drop map[uint32]bool) (kept []uint32, err error) {
	reader, writer := bufio.NewReader(from), bufio.NewWriter(to)
	if err := readHead(reader, fifoDataMagic); err != nil {
		return nil, err
	}
	if err := writeHead(writer, fifoDataMagic); err != nil {
		return nil, err
	}
	err = eachEntry(reader, func(message []byte) error {
		var id, size uint64
		if err := numbers(message, map[int]*uint64{1: &id, 2: &size}); err != nil {
			return err
		}
		if id > 1<<32-1 || size > maxEntry {
			return fmt.Errorf("%w: FIFO %d has %d bytes", ErrFormat, id, size)
		}
		into := io.Writer(writer)
		if drop[uint32(id)] {
			into = io.Discard
		} else {
			kept = append(kept, uint32(id))
			if err := writeEntry(writer, message); err != nil {
				return err
			}
		}
		// The content follows its entry.
		if _, err := io.CopyN(into, reader, int64(size)); err != nil {
			return fmt.Errorf("%w: %w", ErrFormat, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return kept, writer.Flush()
}
