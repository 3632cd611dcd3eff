package lazy

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A process that waits for a page continues with zeros when the last descriptor of its userfaultfd is closed. So a second
// process, the keeper, shares the server's table of descriptors (clone(2), CLONE_FILES): also the descriptors of children,
// which the kernel creates in the table in the moment in which the server reads of the fork, and those that CRIU has sent
// and the server has not received. If the server dies, in whatever way, all of them stay open, and no process continues.
// The keeper then becomes the program that kills the container.
//
// The keeper is a copy of one thread of this program. The Go runtime does not work in it, so it makes system calls only.

// maxKeptDescriptor bounds the descriptors that stay open when the keeper executes the program. A server has about ten and
// one for each process and each child.
const maxKeptDescriptor = 1 << 16

// startKeeper starts the keeper, and returns its PID. It executes this program with the arguments if this process ends.
func startKeeper(args []string) (int, error) {
	self, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return 0, err
	}
	path, err := syscall.BytePtrFromString("/proc/self/exe")
	if err != nil {
		return 0, err
	}
	argv, err := syscall.SlicePtrFromStrings(args)
	if err != nil {
		return 0, err
	}
	envv, err := syscall.SlicePtrFromStrings([]string{"PATH=" + os.Getenv("PATH")})
	if err != nil {
		return 0, err
	}
	// A signal's handler of the Go runtime must not run in the keeper: it inherits this thread's mask.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, before unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^uint64(0)
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &before); err != nil {
		return 0, err
	}
	pid, errno := cloneKeeper(self, path, &argv[0], &envv[0])
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil); err != nil {
		return 0, err
	}
	if errno != 0 {
		return 0, fmt.Errorf("cannot start the keeper: %w", errno)
	}
	return pid, nil
}

// cloneKeeper returns in this process only. The keeper waits for the end of the server, and executes the program with all
// descriptors.
//
//go:norace
//go:noinline
func cloneKeeper(server int, path *byte, argv, envv **byte) (int, syscall.Errno) {
	// All that the keeper uses: the calls below must not make the stack grow.
	poll := unix.PollFd{Fd: int32(server), Events: unix.POLLIN}
	var none unix.Sigset_t
	var period unix.Timespec
	// struct sigaction of the kernel, with SIG_IGN.
	ignore := [8]uintptr{1}
	pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, unix.CLONE_FILES|uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 || pid != 0 {
		return int(pid), errno
	}
	// Blocked signals would wait for the program. SIGCHLD is ignored anyhow, and the program waits for children.
	for signal := uintptr(1); signal <= lastSignal; signal++ {
		if signal != uintptr(syscall.SIGCHLD) {
			syscall.RawSyscall6(unix.SYS_RT_SIGACTION, signal, uintptr(unsafe.Pointer(&ignore)), 0, 8, 0, 0)
		}
	}
	for {
		count, _, _ := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1, 0, 0, 0, 0)
		if int(count) == 1 {
			break
		}
	}
	for fd := uintptr(0); fd < maxKeptDescriptor; fd++ {
		syscall.RawSyscall(unix.SYS_FCNTL, fd, unix.F_SETFD, 0)
	}
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&none)), 0, 8, 0, 0)
	for {
		// Without memory for it the processes wait.
		syscall.RawSyscall(syscall.SYS_EXECVE, uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(argv)), uintptr(unsafe.Pointer(envv)))
		// The kernel writes into it what is left of the time.
		period = unix.Timespec{Nsec: retryNanoseconds}
		syscall.RawSyscall6(unix.SYS_PPOLL, 0, 0, uintptr(unsafe.Pointer(&period)), 0, 0, 0)
	}
}

// lastSignal is the last one of Linux on amd64 and arm64.
const lastSignal = 64

// retryNanoseconds is the time between two attempts to execute the program.
const retryNanoseconds = 10_000_000
