package lazy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"cedana.ai/cdk/runtime/internal/arrival"
	"cedana.ai/cdk/runtime/internal/images"
	"cedana.ai/cdk/runtime/internal/parts"
	"golang.org/x/sys/unix"
)

// registered returns memory of this process whose missing pages are loaded with a userfaultfd. Do not read pages that are
// missing: the thread would wait for ever.
func registered(t *testing.T, pages int) (int, []byte) {
	t.Helper()
	if err := Supported(); err != nil {
		t.Skip(err)
	}
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|unix.O_NONBLOCK, 0, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	t.Cleanup(func() { unix.Close(int(fd)) })
	api := struct{ version, features, requests uint64 }{apiVersion, 0, 0}
	if err := control(int(fd), apiRequest, unsafe.Pointer(&api)); err != nil {
		t.Fatal(err)
	}
	memory, err := unix.Mmap(-1, 0, pages*os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	// UFFDIO_REGISTER with UFFDIO_REGISTER_MODE_MISSING.
	register := struct{ start, length, mode, requests uint64 }{address(memory), uint64(len(memory)), 1, 0}
	if err := control(int(fd), 0xc020aa00, unsafe.Pointer(&register)); err != nil {
		t.Fatal(err)
	}
	return int(fd), memory
}

func address(memory []byte) uint64 { return uint64(uintptr(unsafe.Pointer(&memory[0]))) }

// resident says which pages are there, without a read of them (mincore(2)).
func resident(t *testing.T, memory []byte) []bool {
	t.Helper()
	states := make([]byte, len(memory)/os.Getpagesize())
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(address(memory)), uintptr(len(memory)), uintptr(unsafe.Pointer(&states[0]))); errno != 0 {
		t.Fatal(errno)
	}
	there := make([]bool, len(states))
	for at, each := range states {
		there[at] = each&1 != 0
	}
	return there
}

func TestOnlyPagesThatHaveArrivedAreGivenToAProcess(t *testing.T) {
	const count = 300
	page := os.Getpagesize()
	fd, memory := registered(t, count)
	directory := t.TempDir()
	content := make([]byte, count*page)
	for at := 0; at < len(content); at += 8 {
		binary.NativeEndian.PutUint64(content[at:], uint64(at)|1)
	}
	// What has not arrived is zeros in the file.
	pages, err := os.Create(filepath.Join(directory, "pages-1.img"))
	if err != nil {
		t.Fatal(err)
	}
	defer pages.Close()
	if err := pages.Truncate(int64(len(content))); err != nil {
		t.Fatal(err)
	}
	// Pieces do not begin with a page.
	layout := parts.Pieces{Head: 1000, Size: 1000 + 512 + int64(len(content)), Bytes: 100_000}
	offset := layout.Head + 512
	memoryOf, err := arrival.Create(filepath.Join(directory, "memory"), arrival.Layout{
		Pieces: layout, Segments: make([]parts.Segment, layout.Count()), Files: map[string]int64{"pages-1.img": offset},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer memoryOf.Close()
	p := &process{fd: fd, pages: pages, arriving: memoryOf, pending: pending{{Start: address(memory), End: address(memory) + uint64(len(memory))}}}
	s := &server{arriving: memoryOf, finished: true, processes: []*process{p}, buffer: make([]byte, chunkBytes)}
	arrived := map[int]bool{}
	for _, piece := range rand.New(rand.NewPCG(1, 2)).Perm(layout.Count()) {
		// A fault waits for the piece.
		if start, end := layout.At(piece); start >= offset {
			wanted := images.Range{Start: address(memory) + uint64((start-offset)/int64(page)*int64(page))}
			if err := p.fault(wanted.Start, s.buffer); !errors.Is(err, errMissing) {
				t.Fatalf("a fault in piece %d was answered: %v", piece, err)
			}
			from, to := start-offset, min(end-offset, int64(len(content)))
			if _, err := pages.WriteAt(content[from:to], from); err != nil {
				t.Fatal(err)
			}
		} else if _, err := pages.WriteAt(content[:max(end-offset, 0)], 0); err != nil {
			t.Fatal(err)
		}
		if err := memoryOf.SetReady(piece); err != nil {
			t.Fatal(err)
		}
		arrived[piece] = true
		for s.starved = false; !s.starved && len(s.processes) > 0; {
			if err := s.background(); err != nil {
				t.Fatal(err)
			}
		}
		for number, there := range resident(t, memory) {
			first, last := layout.Of(offset+int64(number*page)), layout.Of(offset+int64((number+1)*page)-1)
			if there != (arrived[first] && arrived[last]) {
				t.Fatalf("page %d is there: %t; its pieces %d and %d: %t, %t", number, there, first, last, arrived[first], arrived[last])
			}
			if there && !bytes.Equal(memory[number*page:][:page], content[number*page:][:page]) {
				t.Fatalf("page %d has another content", number)
			}
		}
	}
	if len(s.processes) > 0 {
		t.Errorf("%d bytes are missing", s.missing())
	}
}

func TestAProcessThatRunsHasNotEnded(t *testing.T) {
	fd, memory := registered(t, 2)
	for at := range uint64(2) {
		if ended(fd, address(memory)+at*uint64(os.Getpagesize())) {
			t.Error("it has ended")
		}
	}
	if there := resident(t, memory); there[0] || there[1] {
		t.Error("a page was loaded")
	}
}

func TestMemoryThatDoesNotArriveEndsTheServer(t *testing.T) {
	layout := parts.Pieces{Head: 1, Size: 2, Bytes: 1}
	m, err := arrival.Create(filepath.Join(t.TempDir(), "memory"), arrival.Layout{Pieces: layout, Segments: make([]parts.Segment, 2)})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s := &server{arriving: m}
	if err := s.refresh(); err != nil {
		t.Fatal(err)
	}
	if err := m.Fail("the layer is gone"); err != nil {
		t.Fatal(err)
	}
	if err := s.refresh(); err == nil || err.Error() != "the memory did not arrive: the layer is gone" {
		t.Errorf("got %v", err)
	}
}
