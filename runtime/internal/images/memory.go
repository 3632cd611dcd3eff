package images

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Range is a part of the memory of a process that is restored from a file.
type Range struct {
	// Start and End are addresses in the process, End exclusive.
	Start, End uint64
	// Offset is the place in the file of the pages.
	Offset int64
	// Lazy says that CRIU leaves the range to the server of page faults.
	Lazy bool
	// Wiped says that children of the process find zeros: the advice MADV_WIPEONFORK.
	Wiped bool
}

// Area is a part of an address space, End exclusive.
type Area struct{ Start, End uint64 }

// Pages describes the memory of a process (pagemap-PID.img).
type Pages struct {
	// ID is the number in the name of the file with the pages.
	ID uint32
	// Ranges are sorted and do not overlap.
	Ranges []Range
}

// Flags of a range of pages.
const (
	inParent = 1 << 0
	isLazy   = 1 << 1
	present  = 1 << 2
)

// ErrParent is returned for memory of which a part is in the image set of an earlier dump.
var ErrParent = errors.New("the memory is in several image sets")

// maxPages is the most pages that an address space of 57 bits can have, with 4 KiB each.
const maxPages = 1 << 45

// ReadPages reads pagemap-PID.img. PageSize is in bytes.
func ReadPages(from io.Reader, pageSize int) (*Pages, error) {
	reader := bufio.NewReader(from)
	if err := readHead(reader, pagemapMagic); err != nil {
		return nil, err
	}
	message, err := readEntry(reader)
	if err != nil {
		return nil, fmt.Errorf("%w: it has no head entry: %w", ErrFormat, err)
	}
	var id uint64
	if err := numbers(message, map[int]*uint64{1: &id}); err != nil {
		return nil, err
	}
	if id == 0 || id > 1<<32-1 {
		return nil, fmt.Errorf("%w: the number of its pages is %d", ErrFormat, id)
	}
	pages, offset, end := &Pages{ID: uint32(id)}, int64(0), uint64(0)
	for {
		message, err := readEntry(reader)
		if err == io.EOF {
			return pages, nil
		}
		if err != nil {
			return nil, err
		}
		var start, compatible, parent, count uint64
		// Old versions write no flags.
		flags := uint64(present)
		known := map[int]*uint64{1: &start, 2: &compatible, 3: &parent, 4: &flags, 5: &count}
		if err := numbers(message, known); err != nil {
			return nil, err
		}
		if count == 0 {
			count = compatible
		}
		size := count * uint64(pageSize)
		if start%uint64(pageSize) != 0 || start < end || count == 0 || count > maxPages || start+size < start || offset+int64(size) < offset {
			return nil, fmt.Errorf("%w: %d pages at %#x", ErrFormat, count, start)
		}
		end = start + size
		if parent != 0 || flags&inParent != 0 {
			return nil, ErrParent
		}
		if flags&present == 0 {
			if flags&isLazy != 0 {
				return nil, fmt.Errorf("%w: the file lacks %d pages at %#x", ErrFormat, count, start)
			}
			// Zeros, which the file does not have.
			continue
		}
		pages.Ranges = append(pages.Ranges, Range{Start: start, End: end, Offset: offset, Lazy: flags&isLazy != 0})
		offset += int64(size)
	}
}

// wipeOnFork is MADV_WIPEONFORK: the children of a process find zeros in the mapping.
const wipeOnFork = 18

// ReadWipedOnFork reads mm-PID.img and returns the mappings that are cleared in children of the process, sorted by address.
func ReadWipedOnFork(from io.Reader) ([]Area, error) {
	reader := bufio.NewReader(from)
	if err := readHead(reader, memoryMagic); err != nil {
		return nil, err
	}
	message, err := readEntry(reader)
	if err != nil {
		return nil, fmt.Errorf("%w: it has no entry: %w", ErrFormat, err)
	}
	found := []Area{}
	err = eachField(message, func(each field) error {
		// 14 are the mappings.
		if each.number != 14 {
			return nil
		}
		if each.kind != bytesType {
			return fmt.Errorf("%w: a mapping is no message", ErrFormat)
		}
		var area Area
		var advice uint64
		if err := numbers(each.bytes, map[int]*uint64{1: &area.Start, 2: &area.End, 9: &advice}); err != nil {
			return err
		}
		if advice&(1<<wipeOnFork) == 0 {
			return nil
		}
		if area.End <= area.Start {
			return fmt.Errorf("%w: a mapping is from %#x to %#x", ErrFormat, area.Start, area.End)
		}
		found = append(found, area)
		return nil
	})
	slices.SortFunc(found, func(a, b Area) int { return cmp.Compare(a.Start, b.Start) })
	return found, err
}

// MarkWiped sets Wiped in the parts of ranges that are in areas, and divides ranges for it. Both are sorted.
func MarkWiped(ranges []Range, areas []Area) []Range {
	marked := []Range{}
	for _, each := range ranges {
		for _, area := range areas {
			if area.End <= each.Start || area.Start >= each.End {
				continue
			}
			if area.Start > each.Start {
				before := each
				before.End = area.Start
				marked = append(marked, before)
				each = each.From(area.Start)
			}
			inside := each
			inside.Wiped, inside.End = true, min(each.End, area.End)
			marked = append(marked, inside)
			if each = each.From(inside.End); each.Start == each.End {
				break
			}
		}
		if each.Start < each.End {
			marked = append(marked, each)
		}
	}
	return marked
}

// From returns the part of a range that begins at an address inside it, or at its end.
func (r Range) From(address uint64) Range {
	r.Offset += int64(address - r.Start)
	r.Start = address
	return r
}
