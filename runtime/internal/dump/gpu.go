package dump

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/cuda"
	"cedana.ai/cdk/runtime/internal/pod"
	"cedana.ai/cdk/runtime/internal/proc"
)

// driverRoot is the directory of /proc and /sys. Tests replace it.
var driverRoot = "/"

// gpuUse is what the containers of a checkpoint use of the node's GPUs.
type gpuUse struct {
	tool      cuda.Tool
	processes []cuda.Process
	// saved is by the name of the container.
	saved map[string]*checkpoint.GPU
}

// of returns what the checkpoint says of a container; nil if it uses no GPU.
func (g gpuUse) of(container string) *checkpoint.GPU { return g.saved[container] }

// findGPU finds the processes that use a GPU. It rejects what cannot be taken off it.
func (j *job) findGPU() error {
	j.gpu = gpuUse{saved: map[string]*checkpoint.GPU{}}
	for _, each := range j.containers {
		if err := j.findGPUOf(each); err != nil {
			return err
		}
	}
	return nil
}

func (j *job) findGPUOf(container pod.Container) error {
	holders, devices := holdersOf(container)
	if len(holders) == 0 {
		return nil
	}
	refuse := func(err error, remedy string) error {
		return &Error{Reason: ReasonNotPossible, Container: container.Name, Remedy: remedy, Err: err}
	}
	if j.gpu.tool == "" {
		if j.gpu.tool = cuda.Find(); j.gpu.tool == "" {
			return refuse(fmt.Errorf("process %d uses a GPU, and the node has no cuda-checkpoint", holders[0]),
				"Build the node agent image with --cuda-checkpoint, or install NVIDIA's cuda-checkpoint in /usr/local/bin.")
		}
	}
	ctx := context.Background()
	users := j.gpu.tool.Users(ctx, holders)
	others := func() []int {
		holders, _ := holdersOf(container)
		return slices.DeleteFunc(holders, func(pid int) bool {
			return slices.ContainsFunc(users, func(each cuda.Process) bool { return each.PID == pid })
		})
	}
	if left := lasting(others); len(left) > 0 {
		return refuse(fmt.Errorf("process %d has devices of NVIDIA's driver open and does not use CUDA", left[0]),
			"End it before the checkpoint, as a monitor of GPUs: only programs that use CUDA can be taken off a GPU.")
	}
	if err := j.gpu.tool.Running(ctx, users); err != nil {
		return refuse(err, "")
	}
	driver := cuda.ReadDriver(driverRoot)
	if driver.Version == "" {
		return refuse(errors.New("cannot read the version of NVIDIA's driver from /proc/driver/nvidia/version"), "")
	}
	saved := &checkpoint.GPU{Processes: len(users), Driver: driver.Version, Devices: []checkpoint.GPUDevice{}}
	for _, each := range devices {
		saved.Devices = append(saved.Devices, checkpoint.GPUDevice{Path: each, Model: driver.Models[each]})
	}
	j.gpu.processes = append(j.gpu.processes, users...)
	j.gpu.saved[container.Name] = saved
	return nil
}

// holdersOf returns the processes of a container that have a device of NVIDIA's driver open, and the GPUs among the devices. Only
// the first process and its descendants are dumped.
func holdersOf(container pod.Container) (holders []int, gpus []string) {
	for _, pid := range container.PIDs() {
		devices := cuda.Devices(pid)
		if len(devices) == 0 || !isBelow(pid, container.PID) {
			continue
		}
		holders = append(holders, pid)
		for _, each := range devices {
			if cuda.IsGPU(each) {
				gpus = append(gpus, each)
			}
		}
	}
	slices.Sort(gpus)
	return holders, slices.Compact(gpus)
}

// A child has the devices of its parent open until it starts its program.
const (
	forkTries  = 10
	forkPeriod = 20 * time.Millisecond
)

// lasting calls a function until it returns no process, and returns those of the last call.
func lasting(find func() []int) []int {
	found := find()
	for range forkTries {
		if len(found) == 0 {
			return nil
		}
		time.Sleep(forkPeriod)
		found = find()
	}
	return found
}

// isBelow says if a process is another one or its descendant.
func isBelow(pid, root int) bool {
	for pid > 0 && pid != root {
		stat, err := proc.ReadStat(pid)
		if err != nil {
			return false
		}
		pid = stat.Parent
	}
	return pid == root
}

// takeOffGPUs takes the processes off their GPUs. They run on until the freeze, and wait at their next call of CUDA. The memory
// that they had on a GPU is theirs then, so the space is checked again.
func (j *job) takeOffGPUs(ctx context.Context) error {
	if len(j.gpu.processes) == 0 {
		return nil
	}
	begin := time.Now()
	defer func() { j.timings.GPU = time.Since(begin).Nanoseconds() }()
	limited, cancel := context.WithDeadline(ctx, j.deadline)
	defer cancel()
	if err := j.gpu.tool.Pause(limited, j.gpu.processes); err != nil {
		if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
			return j.deadlineError()
		}
		return &Error{Reason: ReasonDump, Err: err}
	}
	for _, each := range j.containers {
		holders := lasting(func() []int { pids, _ := holdersOf(each); return pids })
		if len(holders) > 0 {
			return &Error{Reason: ReasonNotPossible, Container: each.Name, Err: fmt.Errorf(
				"process %d still has devices of NVIDIA's driver open after cuda-checkpoint took it off its GPUs", holders[0]),
				Remedy: "Use a GPU by CUDA alone: cuda-checkpoint does not release what graphics libraries opened."}
		}
	}
	return j.checkSpace()
}
