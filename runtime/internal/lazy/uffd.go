package lazy

import (
	"encoding/binary"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Requests of userfaultfd (ioctl_userfaultfd(2), linux/userfaultfd.h).
const (
	apiRequest  = 0xc018aa3f
	wakeRequest = 0x8010aa02
	copyRequest = 0xc028aa03
	zeroRequest = 0xc020aa04

	apiVersion = 0xaa
	// eventFeatures make the kernel report fork, mremap, madvise and munmap of the process.
	eventFeatures = 1<<1 | 1<<2 | 1<<3 | 1<<6
)

// Events of userfaultfd.
const (
	faultEvent  = 0x12
	forkEvent   = 0x13
	remapEvent  = 0x14
	removeEvent = 0x15
	unmapEvent  = 0x16
)

// messageBytes is the size of an event.
const messageBytes = 32

// event is a message of userfaultfd.
type event struct {
	kind byte
	// arguments are: the flags and the address of a fault; the descriptor of a child; source, destination and length of a
	// remap; start and end of what is removed.
	arguments [3]uint64
}

// readEvent returns the next event, or unix.EAGAIN.
func readEvent(fd int) (event, error) {
	var message [messageBytes]byte
	for {
		count, err := unix.Read(fd, message[:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return event{}, err
		}
		if count != messageBytes {
			return event{}, fmt.Errorf("userfaultfd gave %d bytes", count)
		}
		read := event{kind: message[0]}
		for i := range read.arguments {
			read.arguments[i] = binary.NativeEndian.Uint64(message[8+8*i:])
		}
		if read.kind == forkEvent {
			// It has 4 bytes.
			read.arguments[0] = uint64(binary.NativeEndian.Uint32(message[8:]))
		}
		return read, nil
	}
}

// area is struct uffdio_range.
type area struct{ start, length uint64 }

func control(fd int, request uintptr, argument unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(argument))
		if errno == 0 {
			return nil
		}
		if errno != unix.EINTR {
			return errno
		}
	}
}

// copyPages writes pages into the process and wakes who waits for them. It returns how many bytes it wrote.
func copyPages(fd int, address uint64, content []byte) (int, error) {
	argument := struct {
		destination, source, length, mode uint64
		copied                            int64
	}{address, uint64(uintptr(unsafe.Pointer(&content[0]))), uint64(len(content)), 0, 0}
	err := control(fd, copyRequest, unsafe.Pointer(&argument))
	if argument.copied < 0 {
		return 0, unix.Errno(-argument.copied)
	}
	return int(argument.copied), err
}

// ended says if the process of a descriptor has ended, or runs another program. The address is one that is registered, or was.
// It changes nothing: it asks for a copy from an address at which nothing can be.
func ended(fd int, address uint64) bool {
	argument := struct {
		destination, source, length, mode uint64
		copied                            int64
	}{address, 0, uint64(os.Getpagesize()), 0, 0}
	return control(fd, copyRequest, unsafe.Pointer(&argument)) == unix.ESRCH
}

// zeroPage writes a page of zeros.
func zeroPage(fd int, address uint64, size int) error {
	argument := struct {
		area
		mode   uint64
		zeroed int64
	}{area{address, uint64(size)}, 0, 0}
	return control(fd, zeroRequest, unsafe.Pointer(&argument))
}

// wake ends the wait of threads for a page.
func wake(fd int, address uint64, size int) error {
	argument := area{address, uint64(size)}
	return control(fd, wakeRequest, unsafe.Pointer(&argument))
}

// Supported returns an error if the kernel cannot restore memory on access.
func Supported() error {
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|unix.O_NONBLOCK, 0, 0)
	if errno != 0 {
		return fmt.Errorf("the kernel has no userfaultfd: %w", errno)
	}
	defer unix.Close(int(fd))
	argument := struct{ version, features, requests uint64 }{apiVersion, eventFeatures, 0}
	if err := control(int(fd), apiRequest, unsafe.Pointer(&argument)); err != nil {
		return fmt.Errorf("the kernel's userfaultfd does not report forks and changes of mappings: %w", err)
	}
	return nil
}
