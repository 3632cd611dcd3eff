package lazy

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"cedana.ai/cdk/runtime/internal/arrival"
	"cedana.ai/cdk/runtime/internal/images"
	"golang.org/x/sys/unix"
)

const (
	// faultBytes is how much is loaded for a fault: the page and what follows it.
	faultBytes = 64 << 10
	// chunkBytes is how much is loaded at a time in the background. A fault waits for one such chunk.
	chunkBytes = 512 << 10
)

// process is the memory of one process: one that CRIU restored, or a child that it forked since.
type process struct {
	// fd is the userfaultfd.
	fd int
	// pages is the file with the pages.
	pages *os.File
	// arriving says which of them are there; nil if all are.
	arriving *arrival.Memory
	pending
	// retry are addresses of faults that the kernel refused because an event must be read before, or whose page is not there.
	retry []uint64
	// waiting is how many of them wait for a page that is not there.
	waiting int
	// child says that it was forked after the restore.
	child bool
	// refused counts how often in succession the kernel had no memory for a page.
	refused int
}

// errEnded says that the process has ended, or runs another program.
var errEnded = errors.New("the process has ended")

// errChanging says that an event of the process must be read first.
var errChanging = errors.New("the mappings of the process change")

// errNoMemory says that the container's limit of memory, or the node, has no page left. The kernel's OOM killer acts.
var errNoMemory = errors.New("there is no memory for a page")

// errMissing says that a page is still to arrive.
var errMissing = errors.New("a page is still to arrive")

// there returns the first part of a pending range that has arrived; an empty one if none has.
func (p *process) there(wanted images.Range) images.Range {
	if p.arriving == nil {
		return wanted
	}
	start, size := p.arriving.Loadable(filepath.Base(p.pages.Name()), wanted.Offset, int64(wanted.End-wanted.Start), int64(os.Getpagesize()))
	if size == 0 {
		return wanted.From(wanted.End)
	}
	wanted = wanted.From(wanted.Start + uint64(start-wanted.Offset))
	wanted.End = wanted.Start + uint64(size)
	return wanted
}

// arrived returns how much of a range has arrived from its begin on. It is errMissing, and asks for what is missing, if that is
// not a page.
func (p *process) arrived(wanted images.Range) (images.Range, error) {
	if p.arriving == nil {
		return wanted, nil
	}
	name, page := filepath.Base(p.pages.Name()), int64(os.Getpagesize())
	if piece, missing := p.arriving.MissingAt(name, wanted.Offset, page); missing {
		return wanted, errors.Join(errMissing, p.arriving.Want(piece))
	}
	return p.there(wanted), nil
}

// load copies a pending range, which has arrived, into the process. It removes what it copied from what is pending.
func (p *process) load(wanted images.Range, buffer []byte) error {
	for length := wanted.End - wanted.Start; length > 0; length = wanted.End - wanted.Start {
		content := buffer[:min(length, uint64(len(buffer)))]
		if _, err := p.pages.ReadAt(content, wanted.Offset); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("cannot read pages of the checkpoint: %w", err)
		}
		done, err := p.copy(wanted.Start, content)
		p.drop(wanted.Start, wanted.Start+uint64(done))
		if err != nil {
			return err
		}
		wanted = wanted.From(wanted.Start + uint64(done))
	}
	return nil
}

// copy writes pages into the process and returns for how many bytes nothing is left to do.
func (p *process) copy(address uint64, content []byte) (int, error) {
	page := os.Getpagesize()
	done, err := copyPages(p.fd, address, content)
	if err == nil {
		p.refused = 0
		return len(content), nil
	}
	if done > 0 {
		// The rest of it gives the error, if it is one.
		p.refused = 0
		return done, nil
	}
	switch err {
	case unix.EAGAIN:
		return 0, errChanging
	case unix.ESRCH, unix.ENOSPC:
		// ENOSPC before Linux 4.13.
		return 0, errEnded
	case unix.ENOMEM:
		p.refused++
		return 0, errNoMemory
	case unix.EEXIST:
		if !p.child {
			return 0, fmt.Errorf("page %#x of the process was there before it was loaded", address)
		}
		// A child has the pages that its parent had.
		return page, wake(p.fd, address, page)
	case unix.ENOENT:
		// The range is more than one mapping.
		if len(content) > page {
			return p.copy(address, content[:page])
		}
		if p.child {
			// The mapping was not inherited (MADV_DONTFORK).
			return page, nil
		}
		return 0, fmt.Errorf("page %#x of the process is not loaded on access", address)
	default:
		return 0, fmt.Errorf("cannot write page %#x of the process: %w", address, err)
	}
}

// fault answers the access to a page.
func (p *process) fault(address uint64, buffer []byte) error {
	page := uint64(os.Getpagesize())
	address &^= page - 1
	if found, pending := p.find(address); pending {
		found.End = min(found.End, found.Start+faultBytes)
		found, err := p.arrived(found)
		if err != nil {
			return err
		}
		return p.load(found, buffer)
	}
	// Not in the checkpoint, released since, or cleared in this child.
	switch err := zeroPage(p.fd, address, int(page)); err {
	case nil:
		return nil
	case unix.EEXIST:
		// It was loaded in the meantime.
		return wake(p.fd, address, int(page))
	case unix.EAGAIN:
		return errChanging
	case unix.ESRCH, unix.ENOSPC:
		return errEnded
	case unix.ENOMEM:
		p.refused++
		return errNoMemory
	case unix.ENOENT:
		// The mapping was removed while a thread accessed it.
		return wake(p.fd, address, int(page))
	default:
		return fmt.Errorf("cannot write page %#x of the process: %w", address, err)
	}
}
