package main

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// shared are the kinds of objects that processes of a pod share by its IPC namespace.
var shared = map[string]open{
	"sysv-memory": func(string) (use, error) {
		id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, unix.IPC_CREAT|0o600)
		if err != nil {
			return nil, err
		}
		memory, err := unix.SysvShmAttach(id, 0, 0)
		last := byte(0)
		return func() error {
			if memory[0] != last {
				return fmt.Errorf("the memory has %d, not %d", memory[0], last)
			}
			last++
			memory[0] = last
			_, err := unix.SysvShmCtl(id, unix.IPC_STAT, &unix.SysvShmDesc{})
			return err
		}, err
	},
	"sysv-semaphore": func(string) (use, error) {
		id, _, errno := unix.Syscall(unix.SYS_SEMGET, unix.IPC_PRIVATE, 1, unix.IPC_CREAT|0o600)
		if errno != 0 {
			return nil, errno
		}
		return func() error {
			// GETVAL is 12.
			if _, _, errno := unix.Syscall6(unix.SYS_SEMCTL, id, 0, 12, 0, 0, 0); errno != 0 {
				return errno
			}
			return nil
		}, nil
	},
	"sysv-queue": func(string) (use, error) {
		id, _, errno := unix.Syscall(unix.SYS_MSGGET, unix.IPC_PRIVATE, unix.IPC_CREAT|0o600, 0)
		if errno != 0 {
			return nil, errno
		}
		type message struct {
			kind int64
			text [8]byte
		}
		return func() error {
			sent := message{kind: 1, text: [8]byte{'x'}}
			if _, _, errno := unix.Syscall6(unix.SYS_MSGSND, id, uintptr(unsafe.Pointer(&sent)), 8, 0, 0, 0); errno != 0 {
				return errno
			}
			var got message
			if _, _, errno := unix.Syscall6(unix.SYS_MSGRCV, id, uintptr(unsafe.Pointer(&got)), 8, 0, 0, 0); errno != 0 {
				return errno
			}
			return nil
		}, nil
	},
	"posix-queue": func(string) (use, error) {
		name := []byte("held\x00")
		fd, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(&name[0])), unix.O_CREAT|unix.O_RDWR, 0o600, 0, 0, 0)
		if errno != 0 {
			return nil, errno
		}
		return func() error { return unix.Fstat(int(fd), &unix.Stat_t{}) }, nil
	},
}
