// The program memory has memory whose content is known, and outputs what it finds there, for tests of restores:
//
//	memory MEGABYTES
//
// Ten times a second it reads some pages and prints `tick N checked C bad B`. It checks all pages on SIGUSR1 (`all bad B`), in
// a child process on SIGUSR2 (`child bad B`), and on SIGWINCH after it has moved one part of them and released another
// (`moved bad B`).
package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const page = 4096

// word is the content of a page, at its begin and at its end.
func word(number int) uint64 { return uint64(number)*0x9e3779b97f4a7c15 | 1 }

func bad(content []byte, number int) bool {
	return binary.LittleEndian.Uint64(content) != word(number) || binary.LittleEndian.Uint64(content[page-8:]) != word(number)
}

func main() {
	megabytes, err := strconv.Atoi(os.Args[1])
	check(err)
	pages := megabytes << 8
	memory, err := unix.Mmap(-1, 0, pages*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	check(err)
	// Each page has its own content, so that compression does not hide the costs.
	random := rand.NewChaCha8([32]byte{1})
	for number := range pages {
		content := memory[number*page:][:page]
		random.Read(content)
		binary.LittleEndian.PutUint64(content, word(number))
		binary.LittleEndian.PutUint64(content[page-8:], word(number))
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH)
	fmt.Println("filled")
	checked, wrong, count := 0, 0, 0
	all := func() int {
		found := 0
		for number := range pages {
			if bad(memory[number*page:], number) {
				found++
			}
		}
		return found
	}
	for {
		select {
		case received := <-signals:
			switch received {
			case unix.SIGUSR1:
				fmt.Println("all bad", all())
			case unix.SIGUSR2:
				fmt.Println("child bad", child(memory, pages))
			case unix.SIGWINCH:
				fmt.Println("moved bad", move(memory, pages))
				return
			}
		case <-time.After(100 * time.Millisecond):
			for range 20 {
				number := rand.IntN(pages)
				if checked++; bad(memory[number*page:], number) {
					wrong++
				}
			}
			count++
			fmt.Println("tick", count, "checked", checked, "bad", wrong)
		}
	}
}

// child checks all pages in a child, which has a copy of the memory. It returns the number of bad pages, at most 255.
//
//go:norace
//go:noinline
func child(memory []byte, pages int) int {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, before unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^uint64(0)
	}
	check(unix.PthreadSigmask(unix.SIG_SETMASK, &all, &before))
	at := unsafe.Pointer(&memory[0])
	pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if errno == 0 && pid == 0 {
		// The Go runtime does not work here.
		wrong := uintptr(0)
		for number := 0; number < pages; number++ {
			want := uint64(number)*0x9e3779b97f4a7c15 | 1
			if *(*uint64)(unsafe.Add(at, number*page)) != want && wrong < 255 {
				wrong++
			}
		}
		for {
			syscall.RawSyscall(syscall.SYS_EXIT_GROUP, wrong, 0, 0)
		}
	}
	check(unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil))
	if errno != 0 {
		check(errno)
	}
	var status unix.WaitStatus
	_, err := unix.Wait4(int(pid), &status, 0, nil)
	check(err)
	if !status.Exited() {
		check(fmt.Errorf("the child ended with %v", status))
	}
	return status.ExitStatus()
}

// move moves the first quarter of the pages to another address, releases the second one, and checks all of them.
func move(memory []byte, pages int) int {
	quarter := pages / 4
	at, _, errno := syscall.Syscall6(syscall.SYS_MREMAP, uintptr(unsafe.Pointer(&memory[0])), uintptr(quarter*page), uintptr(quarter*page), unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED, uintptr(target(quarter)), 0)
	if errno != 0 {
		check(errno)
	}
	check(unix.Madvise(memory[quarter*page:2*quarter*page], unix.MADV_DONTNEED))
	moved, found := unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&at))), quarter*page), 0
	for number := range pages {
		content := memory[number*page:]
		switch {
		case number < quarter:
			if bad(moved[number*page:], number) {
				found++
			}
		case number < 2*quarter:
			if binary.LittleEndian.Uint64(content) != 0 {
				found++
			}
		case bad(content, number):
			found++
		}
	}
	return found
}

// target returns the address of an area of pages that may be replaced.
func target(pages int) uintptr {
	area, err := unix.Mmap(-1, 0, pages*page, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	check(err)
	return uintptr(unsafe.Pointer(&area[0]))
}
