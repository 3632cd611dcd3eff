// The program memory has memory whose content is known, and outputs what it finds there, for tests of restores:
//
//	memory MEGABYTES
//	memory wipe MEGABYTES              has one MB more, which is cleared in children (MADV_WIPEONFORK)
//	memory bind                        answers TCP on port 9000 and UDP on port 9001 of the pod's own address
//	memory ask tcp|udp ADDRESS:PORT    prints the answer
//
// Ten times a second it reads some pages and prints `tick N checked C bad B`. It checks all pages on SIGUSR1 (`all bad B`), in
// a child and a grandchild process on SIGUSR2 (`child bad B`), and on SIGWINCH after it has moved one part of them and released another
// (`moved bad B`).
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
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
	switch os.Args[1] {
	case "bind":
		bind()
	case "ask":
		ask(os.Args[2], os.Args[3])
		return
	case "wipe":
		// It is above the other memory, which a server of memory loads before.
		wiped = fill(wipedPages)
		check(unix.Madvise(wiped, unix.MADV_WIPEONFORK))
		os.Args = os.Args[1:]
	}
	megabytes, err := strconv.Atoi(os.Args[1])
	check(err)
	pages := megabytes << 8
	memory := fill(pages)
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
		for number := range len(wiped) / page {
			if bad(wiped[number*page:], number) {
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

// wiped is memory that is cleared in children.
var wiped []byte

const wipedPages = 256

// fill returns memory with known content.
func fill(pages int) []byte {
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
	return memory
}

// bind answers on sockets of the first address that is not one of loopback.
func bind() {
	list, err := net.InterfaceAddrs()
	check(err)
	own := ""
	for _, each := range list {
		if network, isIP := each.(*net.IPNet); isIP && network.IP.IsGlobalUnicast() && own == "" {
			own = network.IP.String()
		}
	}
	var config net.ListenConfig
	// CRIU cannot dump sockets of MPTCP.
	config.SetMultipathTCP(false)
	listener, err := config.Listen(context.Background(), "tcp", net.JoinHostPort(own, "9000"))
	check(err)
	packets, err := net.ListenPacket("udp", net.JoinHostPort(own, "9001"))
	check(err)
	go func() {
		for {
			connection, err := listener.Accept()
			check(err)
			_, _ = fmt.Fprintln(connection, "tcp", listener.Addr())
			connection.Close()
		}
	}()
	go func() {
		buffer := make([]byte, 100)
		for {
			_, from, err := packets.ReadFrom(buffer)
			check(err)
			_, err = packets.WriteTo([]byte(fmt.Sprintln("udp", packets.LocalAddr())), from)
			check(err)
		}
	}()
	fmt.Println("bound")
	for count := 1; ; count++ {
		time.Sleep(200 * time.Millisecond)
		fmt.Println("tick", count)
	}
}

func ask(network, address string) {
	connection, err := net.Dial(network, address)
	check(err)
	check(connection.SetDeadline(time.Now().Add(10 * time.Second)))
	_, err = connection.Write([]byte("?"))
	check(err)
	buffer := make([]byte, 100)
	count, err := connection.Read(buffer)
	check(err)
	fmt.Print(string(buffer[:count]))
}

// child checks all pages in a child, which has a copy of the memory, and in a child of it. Both must find zeros in what is
// wiped, where the first one writes something before it forks. It returns the number of bad pages, at most 250.
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
	at, cleared := unsafe.Pointer(unsafe.SliceData(memory)), unsafe.Pointer(unsafe.SliceData(wiped))
	zeros := len(wiped) / page
	pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if errno == 0 && pid == 0 {
		// The Go runtime does not work here.
		wrong := different(at, pages, true) + different(cleared, zeros, false)
		for number := 0; number < zeros; number += 2 {
			*(*uint64)(unsafe.Add(cleared, number*page)) = 1
		}
		var status uint32
		grandchild, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
		switch {
		case errno != 0:
			wrong++
		case grandchild == 0:
			wrong = different(at, pages, true) + different(cleared, zeros, false)
		default:
			syscall.RawSyscall6(syscall.SYS_WAIT4, grandchild, uintptr(unsafe.Pointer(&status)), 0, 0, 0, 0)
			if status != 0 {
				wrong++
			}
		}
		for {
			syscall.RawSyscall(syscall.SYS_EXIT_GROUP, min(wrong, 250), 0, 0)
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

// different counts the pages without their content, or without zeros if that is wanted. It works without the Go runtime.
//
//go:norace
//go:nosplit
func different(at unsafe.Pointer, pages int, filled bool) uintptr {
	wrong := uintptr(0)
	for number := 0; number < pages; number++ {
		want := uint64(0)
		if filled {
			want = uint64(number)*0x9e3779b97f4a7c15 | 1
		}
		if *(*uint64)(unsafe.Add(at, number*page)) != want {
			wrong++
		}
	}
	return wrong
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
