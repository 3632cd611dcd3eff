// Package cuda takes processes off their GPUs before a dump, and gives the GPUs back afterwards, by NVIDIA's program
// cuda-checkpoint. While a process is off its GPUs, the memory that it had on them is memory of the process, its calls of CUDA
// wait, and it has no device open: CRIU dumps it like any other process.
//
// CRIU's own CUDA plugin is not used. On a node with a GPU it thaws each frozen container before the dump, also one without a
// GPU, so the containers of a pod would not be captured at one moment.
package cuda

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"cedana.ai/cdk/runtime/internal/proc"
)

// Process is a process that uses a GPU. The time of the start tells it from a later process with the same number.
type Process struct {
	PID int `json:"pid"`
	// Start is in clock ticks since the boot.
	Start uint64 `json:"start"`
}

// Tool is the path of cuda-checkpoint; empty if the node has none.
type Tool string

const program = "cuda-checkpoint"

// Find returns the cuda-checkpoint in a directory of PATH, or beside this program.
func Find() Tool {
	if path, err := exec.LookPath(program); err == nil {
		return Tool(path)
	}
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	path := filepath.Join(filepath.Dir(self), program)
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Mode()&0o100 == 0 {
		return ""
	}
	return Tool(path)
}

// States of a process that cuda-checkpoint prints.
const (
	running      = "running"
	locked       = "locked"
	checkpointed = "checkpointed"
)

const (
	// queryLimit bounds a question about a process. It took 17 to 270 ms; it waits for an action that was begun before.
	queryLimit = 2 * time.Minute
	// tries is how often the state of a process is read until it runs. Two programs can give it its GPU back at once.
	tries = 5
)

// output runs cuda-checkpoint for a process and returns its trimmed output.
func (t Tool) output(ctx context.Context, process Process, args ...string) (string, error) {
	command := exec.CommandContext(ctx, string(t), append(args, "--pid", strconv.Itoa(process.PID))...)
	// What it started could hold its output open.
	command.WaitDelay = time.Second
	text, err := command.CombinedOutput()
	said := strings.ToValidUTF8(strings.TrimSpace(string(text[:min(len(text), 300)])), "?")
	if err == nil {
		return said, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return "", fmt.Errorf("cuda-checkpoint %s, process %d: %w: %s", strings.Join(args, " "), process.PID, err, said)
}

// uses says if a process uses CUDA. It works also for a frozen process.
func (t Tool) uses(ctx context.Context, process Process) bool {
	ctx, cancel := context.WithTimeout(ctx, queryLimit)
	defer cancel()
	_, err := t.output(ctx, process, "--get-restore-tid")
	return err == nil
}

// state returns the state of a process. The process answers itself, so it must not be frozen.
func (t Tool) state(ctx context.Context, process Process) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, queryLimit)
	defer cancel()
	return t.output(ctx, process, "--get-state")
}

// Users returns those of the processes that use CUDA.
func (t Tool) Users(ctx context.Context, pids []int) []Process {
	users := []Process{}
	for _, pid := range pids {
		stat, err := proc.ReadStat(pid)
		if err != nil {
			continue
		}
		if process := (Process{pid, stat.Start}); t.uses(ctx, process) {
			users = append(users, process)
		}
	}
	return users
}

// Running returns an error if a process is in another state than running: another program took it off its GPU.
func (t Tool) Running(ctx context.Context, processes []Process) error {
	for _, each := range processes {
		state, err := t.state(ctx, each)
		if err != nil {
			return err
		}
		if state != running {
			return fmt.Errorf("the CUDA state of process %d is %s, not running: another program checkpoints it", each.PID, state)
		}
	}
	return nil
}

// Pause takes processes off their GPUs: first it locks all, which waits for the work that they gave to the GPU, then it moves
// the memory. After an error some of them may be off: call Resume.
func (t Tool) Pause(ctx context.Context, processes []Process) error {
	for _, each := range processes {
		args := []string{"--action", "lock"}
		if deadline, found := ctx.Deadline(); found {
			args = append(args, "--timeout", strconv.FormatInt(max(time.Until(deadline).Milliseconds(), 1), 10))
		}
		if _, err := t.output(ctx, each, args...); err != nil {
			return err
		}
	}
	return together(processes, func(each Process) error {
		_, err := t.output(ctx, each, "--action", "checkpoint")
		return err
	})
}

// Resume gives processes their GPUs back, from any state that Pause leaves. None may be frozen. It skips those that have ended.
func (t Tool) Resume(ctx context.Context, processes []Process) error {
	return together(processes, func(each Process) error { return t.resume(ctx, each) })
}

func (t Tool) resume(ctx context.Context, process Process) error {
	var last error
	for range tries {
		if process.ended() {
			return nil
		}
		state, err := t.state(ctx, process)
		if err != nil {
			last = err
			continue
		}
		switch state {
		case running:
			return nil
		case checkpointed:
			_, last = t.output(ctx, process, "--action", "restore")
		case locked:
			_, last = t.output(ctx, process, "--action", "unlock")
		default:
			return fmt.Errorf("the CUDA state of process %d is %q", process.PID, state)
		}
		if context.Cause(ctx) != nil {
			break
		}
	}
	if process.ended() {
		return nil
	}
	if last == nil {
		last = fmt.Errorf("process %d does not get its GPU back", process.PID)
	}
	return last
}

// ended says that a process has ended or is being killed.
func (p Process) ended() bool {
	stat, err := proc.ReadStat(p.PID)
	return err != nil || stat.Start != p.Start || stat.State == "Z" || stat.State == "X"
}

// together calls a function for all processes at the same time and joins the errors.
func together(processes []Process, act func(Process) error) error {
	errs := make([]error, len(processes))
	var group sync.WaitGroup
	for i, each := range processes {
		group.Go(func() { errs[i] = act(each) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// devicePrefix begins the paths of the devices of NVIDIA's driver.
const devicePrefix = "/dev/nvidia"

// IsDevice says if a path is a device of NVIDIA's driver.
func IsDevice(path string) bool { return strings.HasPrefix(path, devicePrefix) }

// Devices returns the devices of NVIDIA's driver that a process has open, sorted.
func Devices(pid int) []string {
	directory := fmt.Sprintf("/proc/%d/fd/", pid)
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil
	}
	found := []string{}
	for _, entry := range entries {
		if target, err := os.Readlink(directory + entry.Name()); err == nil && IsDevice(target) {
			found = append(found, target)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
