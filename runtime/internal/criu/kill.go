package criu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"cedana.ai/cdk/runtime/internal/proc"
	"golang.org/x/sys/unix"
)

// killTime is how long a killed process may take to end. CRIU in the middle of a write of its images takes some of it.
const killTime = 5 * time.Second

// waitPeriod is the time between two looks at all processes of the machine, which takes some milliseconds.
const waitPeriod = 20 * time.Millisecond

// Target identifies the processes of a run, also for another program than the one that started it. The mark finds the
// runtime. It does not find CRIU itself, which overwrites its environment by its title; the process group does.
type Target struct {
	// Mark is the mark in the environment, or "".
	Mark string
	// Group is the process group, or 0. Its leader counts only if it has the mark: it can be another program.
	Group int
	// Cgroup, if it is not "", is the content of /proc/PID/cgroup that a process of the group must have. Set it for a
	// group whose leader has died: the kernel may have given its number to another program.
	Cgroup string
}

// Kill kills all processes with a mark until there are none. It does not find CRIU itself: see Target.
func Kill(mark string, limit time.Duration) error { return Target{Mark: mark}.Kill(limit) }

// Kill kills all processes of the target until there are none. It never kills its own process.
func (t Target) Kill(limit time.Duration) error {
	end := time.Now().Add(limit)
	for {
		pids, err := t.Processes()
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("processes %v of a CRIU run do not end", pids)
		}
		for _, pid := range pids {
			t.kill(pid)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// Wait waits until no process of the target exists, for at most the limit. It sends no signal.
func (t Target) Wait(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, max(limit, 0))
	defer cancel()
	for {
		pids, err := t.Processes()
		if err != nil || len(pids) == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("processes %v of a CRIU run have not ended: %w", pids, ctx.Err())
		case <-time.After(waitPeriod):
		}
	}
}

// Processes returns the processes of the target, without zombies and without this process.
func (t Target) Processes() ([]int, error) {
	if t.Mark == "" && t.Group <= 0 {
		return nil, errors.New("a CRIU run without mark and group cannot be found")
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil && pid != os.Getpid() && t.has(pid) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

func (t Target) has(pid int) bool {
	return t.Mark != "" && hasMark(pid, t.Mark) || t.Group > 0 && pid != t.Group && inGroup(pid, t.Group, t.Cgroup)
}

func hasMark(pid int, mark string) bool {
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false
	}
	want := []byte(MarkVariable + "=" + mark)
	for each := range bytes.SplitSeq(environment, []byte{0}) {
		if bytes.Equal(each, want) {
			return true
		}
	}
	return false
}

// inGroup says if a process that is not a zombie is in a process group.
func inGroup(pid, group int, cgroup string) bool {
	stat, err := proc.ReadStat(pid)
	if err != nil || stat.State == "Z" || stat.State == "X" || stat.Group != group {
		return false
	}
	return cgroup == "" || CgroupOf(pid) == cgroup
}

// CgroupOf returns the content of /proc/PID/cgroup, "" for a process that does not exist.
func CgroupOf(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return ""
	}
	return string(data)
}

// kill checks again while it holds a descriptor of the process, so that a reused pid is safe.
func (t Target) kill(pid int) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if t.has(pid) {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}
