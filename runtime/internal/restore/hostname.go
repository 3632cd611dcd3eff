package restore

import (
	"cedana.ai/cdk/runtime/internal/namespace"
	"golang.org/x/sys/unix"
)

// hostname returns the host name in a uts namespace.
func hostname(path string) (string, error) {
	name := ""
	err := namespace.UTS.Enter(path, func() error {
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
	return namespace.UTS.Enter(path, func() error { return unix.Sethostname([]byte(name)) })
}
