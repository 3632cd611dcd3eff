package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/cuda"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// compareGPU returns the first reason why processes that used GPUs cannot have them here. It reads driver and tool only for a
// checkpoint of such processes.
func compareGPU(source *checkpoint.GPU, read func() cuda.Driver, find func() cuda.Tool, spec *specs.Spec) error {
	if source == nil {
		return nil
	}
	driver := read()
	if driver.Version != source.Driver {
		return fmt.Errorf("the version of NVIDIA's driver is %q, at the checkpoint it was %q", driver.Version, source.Driver)
	}
	if find() == "" {
		return errors.New("the node has no cuda-checkpoint")
	}
	for _, each := range source.Devices {
		if model := driver.Models[each.Path]; model != each.Model {
			return fmt.Errorf("%s is %q, at the checkpoint it was %q", each.Path, model, each.Model)
		}
		if spec.Linux == nil || !slices.ContainsFunc(spec.Linux.Devices, func(device specs.LinuxDevice) bool { return device.Path == each.Path }) {
			return fmt.Errorf("the container has no device %s, which it had at the checkpoint", each.Path)
		}
	}
	return nil
}

// returnGPUs puts the memory of the restored processes back on their GPUs and lets them run on.
func (r *run) returnGPUs() error {
	if r.container.GPU == nil {
		return nil
	}
	limit := r.timeLimit()
	ctx, cancel := context.WithTimeoutCause(context.Background(), limit, fmt.Errorf("limit of %v", limit.Round(time.Second)))
	defer cancel()
	tool := cuda.Find()
	users := tool.Users(ctx, cgroupProcesses(r.cgroup))
	if len(users) != r.container.GPU.Processes {
		return fmt.Errorf("%d restored processes use CUDA, at the checkpoint %d did", len(users), r.container.GPU.Processes)
	}
	return tool.Resume(ctx, users)
}
