package restore

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// inNamespace calls a function in a namespace. The thread ends afterwards: it is no longer like the others.
func inNamespace(path string, kind int, call func() error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	result := make(chan error)
	go func() {
		// Without an unlock the thread ends with the goroutine.
		runtime.LockOSThread()
		if err := unix.Setns(int(file.Fd()), kind); err != nil {
			result <- fmt.Errorf("cannot enter %s: %w", path, err)
			return
		}
		result <- call()
	}()
	return <-result
}

// hostname returns the host name in a uts namespace.
func hostname(path string) (string, error) {
	name := ""
	err := inNamespace(path, unix.CLONE_NEWUTS, func() error {
		var system unix.Utsname
		err := unix.Uname(&system)
		name = unix.ByteSliceToString(system.Nodename[:])
		return err
	})
	return name, err
}

// setHostname sets the host name in a uts namespace. CRIU writes that of the checkpoint to the namespace of the whole
// pod, also for containers that start fresh.
func setHostname(path, name string) error {
	return inNamespace(path, unix.CLONE_NEWUTS, func() error { return unix.Sethostname([]byte(name)) })
}
