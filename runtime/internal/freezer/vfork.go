package freezer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// kcmpVM compares the memory of two processes: KCMP_VM of <linux/kcmp.h>.
const kcmpVM = 1

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
		name, parent, err := nameAndParent(pid)
		if err != nil {
			return err
		}
		// Parents outside the node's process namespace are 0. Where the kernel compares nothing, CRIU cannot dump either.
		if parent > 0 && sameMemory(pid, parent) {
			return &SharedMemoryError{Cgroup: c, PID: pid, Parent: parent, Name: name}
		}
	}
	return nil
}

func sameMemory(one, other int) bool {
	order, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(one), uintptr(other), kcmpVM, 0, 0, 0)
	return errno == 0 && order == 0
}

// nameAndParent returns the name of a process and its parent; 0 for one that has ended.
func nameAndParent(pid int) (name string, parent int, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return "", 0, nil
	}
	if err != nil {
		return "", 0, err
	}
	// PID (NAME) STATE PARENT, and a name can have parentheses (proc_pid_stat(5)).
	begin, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	fields := strings.Fields(string(text[end+1:]))
	if begin < 0 || end < begin || len(fields) < 2 {
		return "", 0, fmt.Errorf("/proc/%d/stat is invalid", pid)
	}
	parent, err = strconv.Atoi(fields[1])
	return string(text[begin+1 : end]), parent, err
}
