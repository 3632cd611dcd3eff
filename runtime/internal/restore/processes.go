package restore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"cedana.ai/cdk/runtime/internal/criu"
	"cedana.ai/cdk/runtime/internal/lazy"
	"golang.org/x/sys/unix"
)

// cgroupMount is where the node's cgroups are mounted.
const cgroupMount = "/sys/fs/cgroup"

const (
	killPeriod = 2 * time.Millisecond
	killLimit  = 5 * time.Second
)

// becomeSubreaper makes orphans of the restore children of this process, so that they can be found. The restored process
// gets the shim as its parent when this process ends.
func becomeSubreaper(on bool) {
	value := uintptr(0)
	if on {
		value = 1
	}
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, value, 0, 0, 0)
}

// killAll kills all descendants of this process, and the processes in the container's cgroup. The server of memory ends by
// itself: if it were killed first, the others could continue with zeros for a moment.
func (r *run) killAll() {
	end := time.Now().Add(killLimit)
	for {
		left := r.restoredBelow(os.Getpid())
		for _, pid := range left {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		killCgroup(r.cgroup)
		// Orphans become children of this process.
		for {
			if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
		if len(left) == 0 && len(cgroupProcesses(r.cgroup)) == 0 || time.Now().After(end) {
			return
		}
		time.Sleep(killPeriod)
	}
}

// restoredBelow returns all processes below a process but the server of memory and its keeper.
func (r *run) restoredBelow(pid int) []int {
	all := descendants(pid)
	if r.memory == nil {
		return all
	}
	server := append(descendants(r.memory.PID), r.memory.PID)
	return slices.DeleteFunc(all, func(each int) bool { return slices.Contains(server, each) })
}

// descendants returns all processes below a process.
func descendants(of int) []int {
	found := []int{}
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", of))
	if err != nil {
		return nil
	}
	for _, each := range tasks {
		text, err := os.ReadFile(each)
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				found = append(append(found, pid), descendants(pid)...)
			}
		}
	}
	return found
}

// cgroupProcesses returns the processes in a cgroup and those below it.
func cgroupProcesses(directory string) []int {
	found := []int{}
	if directory == "" {
		return found
	}
	_ = filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return nil
		}
		text, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		if err != nil {
			return nil
		}
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
				found = append(found, pid)
			}
		}
		return nil
	})
	return found
}

// killCgroup kills the processes in a container's cgroup, frozen or not.
func killCgroup(directory string) {
	pids := cgroupProcesses(directory)
	for _, pid := range pids {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	if len(pids) == 0 {
		return
	}
	// cgroup v1 does not end processes that are frozen.
	for name, thawed := range map[string]string{"freezer.state": "THAWED", "cgroup.freeze": "0"} {
		_ = writeExisting(filepath.Join(directory, name), thawed)
	}
}

func writeExisting(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// killContainer ends the processes of another container of the pod and waits until they have ended. The kubelet creates
// the container again.
func killContainer(cgroup string) error {
	for end := time.Now().Add(killLimit); ; time.Sleep(killPeriod) {
		killCgroup(cgroup)
		left := cgroupProcesses(cgroup)
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d processes in %s do not end", len(left), cgroup)
		}
	}
}

// removeLeftovers removes what a restore of a container left: mounts, processes, the runtime's state.
func removeLeftovers(runtime, root string, systemd bool, id, cgroup, work string) error {
	err := criu.Kill(markOf(id), killLimit)
	killCgroup(cgroup)
	// Without its processes the server of memory ends. Later it would end those of a container in the same cgroup.
	err = errors.Join(err, lazy.Await(work, killLimit), UnmountBelow(work))
	args := []string{}
	if root != "" {
		// The runtime deletes its state directory with all that is mounted there: the container's root file system.
		err = errors.Join(err, UnmountBelow(filepath.Join(root, id)))
		args = append(args, "--root", root)
	}
	if err != nil {
		return err
	}
	if systemd {
		args = append(args, "--systemd-cgroup")
	}
	limit, cancel := context.WithTimeout(context.Background(), deleteLimit)
	defer cancel()
	// Its output must not reach the container's log.
	if text, err := exec.CommandContext(limit, runtime, append(args, "delete", "--force", id)...).CombinedOutput(); err != nil {
		return fmt.Errorf("cannot delete what the restore left: %w: %.400s", err, text)
	}
	if systemd {
		// A runtime that was killed has no state of the container, so `delete` stops no unit. systemd removes the scope when
		// its last process has ended. The runtime cannot create the same scope before.
		waitRemoved(cgroup, killLimit)
	}
	return nil
}

// waitRemoved waits until a directory does not exist. It returns false at the limit.
func waitRemoved(directory string, limit time.Duration) bool {
	if directory == "" {
		return true
	}
	for end := time.Now().Add(limit); ; time.Sleep(killPeriod) {
		if _, err := os.Stat(directory); errors.Is(err, fs.ErrNotExist) {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// setOOMScore sets the OOM score adjustment of the new pod, which depends on its quality of service, for all processes in
// a cgroup. CRIU restores that of the checkpoint. Where root may not lower it, a process keeps a higher one.
func setOOMScore(cgroup string, score *int) {
	if score == nil {
		return
	}
	for _, pid := range cgroupProcesses(cgroup) {
		_ = writeExisting(fmt.Sprintf("/proc/%d/oom_score_adj", pid), strconv.Itoa(*score))
	}
}
