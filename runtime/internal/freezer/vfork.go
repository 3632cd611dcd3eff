package freezer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"cedana.ai/cdk/runtime/internal/proc"
	"golang.org/x/sys/unix"
)

// SharedMemoryError reports a process that uses the memory of its parent, as a child of vfork does until it starts a program.
//
// The kernel keeps the parent from running meanwhile, so CRIU, which needs it to stop under ptrace, waits for 10 s and fails.
type SharedMemoryError struct {
	// Cgroup is the cgroup of the process.
	Cgroup Cgroup
	// PID is the process, and Parent its parent.
	PID, Parent int
	// Name is the name of the process.
	Name string
}

func (e *SharedMemoryError) Error() string {
	return fmt.Sprintf("process %d (%s) was created by vfork and has not started a program", e.PID, e.Name)
}

// sharedMemory returns a *SharedMemoryError if a process of the cgroup uses the memory of its parent. All must be frozen.
func (c Cgroup) sharedMemory() error {
	text, err := os.ReadFile(filepath.Join(c.Path, "cgroup.procs"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		pid, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			return err
		}
		stat, err := proc.ReadStat(pid)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			return err
		}
		// Where the kernel compares nothing, CRIU cannot dump either.
		if stat.Parent > 0 && proc.SharesMemory(pid, stat.Parent) {
			return &SharedMemoryError{Cgroup: c, PID: pid, Parent: stat.Parent, Name: stat.Name}
		}
	}
	return nil
}
