package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// anonymous are the kinds of descriptors without a file.
var anonymous = map[string]open{
	"eventfd": func(string) (use, error) {
		fd, err := unix.Eventfd(0, 0)
		return func() error {
			if _, err := unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
				return err
			}
			_, err := unix.Read(fd, make([]byte, 8))
			return err
		}, err
	},
	"timerfd": func(string) (use, error) {
		fd, err := timer(time.Hour)
		return func() error {
			var now unix.ItimerSpec
			if err := unix.TimerfdGettime(fd, &now); err != nil {
				return err
			}
			if now.Value.Sec == 0 || now.Interval.Sec != 3600 {
				return fmt.Errorf("the timer is at %+v", now)
			}
			return nil
		}, err
	},
	// Its period is over at each moment of a checkpoint.
	"timerfd-expired": func(string) (use, error) {
		fd, err := timer(time.Millisecond)
		return func() error { _, err := unix.Read(fd, make([]byte, 8)); return err }, err
	},
	"signalfd": func(string) (use, error) {
		fd, err := unix.Signalfd(-1, &unix.Sigset_t{Val: [16]uint64{1 << (unix.SIGWINCH - 1)}}, 0)
		return func() error { return unix.Fstat(fd, &unix.Stat_t{}) }, err
	},
	"epoll": func(string) (use, error) {
		fd, err := unix.EpollCreate1(0)
		if err != nil {
			return nil, err
		}
		event, err := unix.Eventfd(1, 0)
		if err != nil {
			return nil, err
		}
		err = unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, event, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: 7})
		return func() error {
			events := make([]unix.EpollEvent, 1)
			if _, err := unix.EpollWait(fd, events, 1000); err != nil {
				return err
			}
			if events[0].Fd != 7 {
				return fmt.Errorf("got an event of %d", events[0].Fd)
			}
			return nil
		}, err
	},
	"inotify": func(name string) (use, error) {
		fd, err := unix.InotifyInit1(unix.IN_NONBLOCK)
		if err != nil {
			return nil, err
		}
		_, err = unix.InotifyAddWatch(fd, name, unix.IN_CREATE)
		return func() error { return unix.Fstat(fd, &unix.Stat_t{}) }, err
	},
	"fanotify": func(name string) (use, error) {
		fd, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_REPORT_FID, 0)
		if err != nil {
			return nil, err
		}
		return func() error { return unix.Fstat(fd, &unix.Stat_t{}) },
			unix.FanotifyMark(fd, unix.FAN_MARK_ADD, unix.FAN_MODIFY, unix.AT_FDCWD, name)
	},
	"io_uring": func(string) (use, error) {
		// The parameters of io_uring_setup(2) are 120 bytes.
		return descriptor(unix.SYS_IO_URING_SETUP, 1, pointer(&[120]byte{}), 0)
	},
	"aio": func(string) (use, error) {
		var context uintptr
		_, _, errno := unix.Syscall(unix.SYS_IO_SETUP, 8, uintptr(unsafe.Pointer(&context)), 0)
		if errno != 0 {
			return nil, errno
		}
		return func() error {
			// No event is ready: 0 at once, or EINVAL if the context is lost.
			timeout := unix.Timespec{}
			if _, _, errno := unix.Syscall6(unix.SYS_IO_GETEVENTS, context, 0, 1, pointer(&[32]byte{}), uintptr(unsafe.Pointer(&timeout)), 0); errno != 0 {
				return errno
			}
			return nil
		}, nil
	},
	"userfaultfd": func(string) (use, error) {
		// UFFD_USER_MODE_ONLY needs no privilege.
		return descriptor(unix.SYS_USERFAULTFD, 1, 0, 0)
	},
	"perf": func(string) (use, error) {
		attributes := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_TASK_CLOCK, Bits: unix.PerfBitExcludeKernel}
		attributes.Size = uint32(unsafe.Sizeof(attributes))
		fd, err := unix.PerfEventOpen(&attributes, 0, -1, -1, 0)
		return func() error { _, err := unix.Read(fd, make([]byte, 8)); return err }, err
	},
	"bpf-map": func(string) (use, error) {
		// BPF_MAP_CREATE: an array with one value of 4 bytes.
		var attributes [128]byte
		for i, value := range []uint32{2, 4, 4, 1} {
			binary.LittleEndian.PutUint32(attributes[4*i:], value)
		}
		return descriptor(unix.SYS_BPF, 0, pointer(&attributes), 128)
	},
	"bpf-program": func(string) (use, error) {
		// A socket filter: r0 = 0; exit.
		code := [16]byte{0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95}
		licence := [4]byte{'G', 'P', 'L', 0}
		var attributes [128]byte
		binary.LittleEndian.PutUint32(attributes[0:], 1)
		binary.LittleEndian.PutUint32(attributes[4:], 2)
		binary.LittleEndian.PutUint64(attributes[8:], uint64(pointer(&code)))
		binary.LittleEndian.PutUint64(attributes[16:], uint64(pointer(&licence)))
		return descriptor(unix.SYS_BPF, 5, pointer(&attributes), 128)
	},
	"pidfd": func(string) (use, error) {
		fd, err := unix.PidfdOpen(os.Getpid(), 0)
		return func() error { return unix.PidfdSendSignal(fd, 0, nil, 0) }, err
	},
	"namespace": func(name string) (use, error) { return opened(os.Open("/proc/self/ns/" + name)) },
	"landlock": func(string) (use, error) {
		attributes := [8]byte{1}
		return descriptor(unix.SYS_LANDLOCK_CREATE_RULESET, pointer(&attributes), 8, 0)
	},
	"keyring": func(string) (use, error) {
		id, err := unix.AddKey("user", "held", []byte("secret"), unix.KEY_SPEC_SESSION_KEYRING)
		return func() error {
			_, err := unix.KeyctlBuffer(unix.KEYCTL_READ, id, make([]byte, 16), 0)
			return err
		}, err
	},
}

// pointer returns the address of an array that the kernel reads or writes in the call.
func pointer[T any](to *T) uintptr {
	held = append(held, to)
	return uintptr(unsafe.Pointer(to))
}

// descriptor opens a descriptor by a system call.
func descriptor(number, a, b, c uintptr) (use, error) {
	fd, _, errno := unix.Syscall(number, a, b, c)
	if errno != 0 {
		return nil, errno
	}
	return func() error { return unix.Fstat(int(fd), &unix.Stat_t{}) }, nil
}

// timer returns a timerfd with a period.
func timer(period time.Duration) (int, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, 0)
	if err != nil {
		return 0, err
	}
	each := unix.NsecToTimespec(period.Nanoseconds())
	return fd, unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: each, Value: each}, nil)
}
