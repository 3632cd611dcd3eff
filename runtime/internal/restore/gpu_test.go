package restore

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/cuda"
	"cedana.ai/cdk/runtime/internal/cudatest"
	"cedana.ai/cdk/runtime/internal/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestCompareGPU(t *testing.T) {
	const device, model, version = "/dev/nvidia0", "NVIDIA H200", "580.159.04"
	source := &checkpoint.GPU{Processes: 1, Driver: version, Devices: []checkpoint.GPUDevice{{Path: device, Model: model}}}
	driver := cuda.Driver{Version: version, Models: map[string]string{device: model}}
	spec := &specs.Spec{Linux: &specs.Linux{Devices: []specs.LinuxDevice{{Path: device}}}}
	for name, each := range map[string]struct {
		source *checkpoint.GPU
		driver cuda.Driver
		tool   cuda.Tool
		spec   *specs.Spec
		want   string
	}{
		"equal":            {source, driver, "cuda-checkpoint", spec, ""},
		"no GPU":           {nil, cuda.Driver{}, "", &specs.Spec{}, ""},
		"no driver":        {source, cuda.Driver{}, "cuda-checkpoint", spec, `driver is "", at the checkpoint it was "580.159.04"`},
		"another model":    {source, cuda.Driver{Version: version, Models: map[string]string{device: "NVIDIA L4"}}, "cuda-checkpoint", spec, `/dev/nvidia0 is "NVIDIA L4"`},
		"another GPU":      {source, cuda.Driver{Version: version}, "cuda-checkpoint", spec, `/dev/nvidia0 is ""`},
		"no program":       {source, driver, "", spec, "no cuda-checkpoint"},
		"a pod without it": {source, driver, "cuda-checkpoint", &specs.Spec{Linux: &specs.Linux{}}, "no device /dev/nvidia0"},
	} {
		t.Run(name, func(t *testing.T) {
			driver, tool := func() cuda.Driver { return each.driver }, func() cuda.Tool { return each.tool }
			err := compareGPU(each.source, driver, tool, each.spec)
			if (err == nil) != (each.want == "") || err != nil && !strings.Contains(err.Error(), each.want) {
				t.Errorf("got %v, want %q", err, each.want)
			}
		})
	}
}

// restoredGPU returns the restore of a container whose process was restored and is off its GPU.
func restoredGPU(t *testing.T) (*run, *cudatest.Node, int) {
	t.Helper()
	node := cudatest.Install(t)
	command := node.Command()
	must(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	pid := command.Process.Pid
	node.Begun(t, pid)
	node.Set(t, pid, "checkpointed")
	cgroup := t.TempDir()
	// A process without CUDA is beside it.
	must(t, os.WriteFile(filepath.Join(cgroup, "cgroup.procs"), fmt.Appendf(nil, "%d\n%d\n", os.Getpid(), pid), 0o600))
	return &run{
		Request: Request{Begin: time.Now()}, plan: &plan.Plan{RestoreSeconds: 30}, cgroup: cgroup,
		container: &checkpoint.Container{GPU: &checkpoint.GPU{Processes: 1}},
	}, node, pid
}

func TestRestoredProcessesGetTheirGPUs(t *testing.T) {
	r, node, pid := restoredGPU(t)
	must(t, r.returnGPUs())
	if got := node.Actions(t); got != "restore unlock" || node.State(pid) != "running" {
		t.Errorf("got %s, the state is %s", got, node.State(pid))
	}
}

func TestARestoreFailsIfAProcessDoesNotGetItsGPU(t *testing.T) {
	r, node, _ := restoredGPU(t)
	node.Act(t, `echo "out of memory"; exit 1`)
	if err := r.returnGPUs(); err == nil || !strings.Contains(err.Error(), "out of memory") {
		t.Errorf("got %v", err)
	}
	r.container.GPU.Processes = 2
	if err := r.returnGPUs(); err == nil || err.Error() != "1 restored processes use CUDA, at the checkpoint 2 did" {
		t.Errorf("got %v", err)
	}
}

func TestAPodStartsFreshIfItCannotHaveTheGPUs(t *testing.T) {
	f := lay(t, "exit 0", func(_ *plan.Plan, c *checkpoint.Checkpoint) {
		c.Containers[0].GPU = &checkpoint.GPU{Processes: 1, Driver: "1.2.3", Devices: []checkpoint.GPUDevice{}}
	})
	if outcome, err := f.create(t, "app", "1"); outcome != Fresh || err != nil {
		t.Fatalf("got %v, %v", outcome, err)
	}
	if state := f.state(t); state.Reason != plan.ReasonIncompatible || !strings.Contains(state.Message, "NVIDIA's driver") {
		t.Errorf("got %s: %s", state.Reason, state.Message)
	}
	if strings.Contains(f.calls(t), "restore") {
		t.Error("the runtime restored")
	}
}
