package dump

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/cuda"
	"cedana.ai/cdk/runtime/internal/cudatest"
	"cedana.ai/cdk/runtime/internal/freezertest"
)

const driverVersion = "580.159.04"

// runGPU calls a test with a pod that has one more container, trainer, whose process uses a GPU. In `act`, $gpu is the file with
// the state of the process.
func runGPU(t *testing.T, act string, test func(t *testing.T, f fixture, node *cudatest.Node, pid int)) {
	root := t.TempDir()
	version := filepath.Join(root, "proc/driver/nvidia/version")
	must(t, os.MkdirAll(filepath.Dir(version), 0o700), os.WriteFile(version, []byte("NVRM version: NVIDIA UNIX x86_64 Kernel Module  "+driverVersion+"  Tue Jun 3\n"), 0o600))
	driverRoot = root
	t.Cleanup(func() { driverRoot = "/" })
	for version, parent := range freezertest.Hierarchies(t) {
		t.Run(version, func(t *testing.T) {
			f := newFixture(t, version, parent, "gpu=$(cat gpu)\n"+act)
			node := cudatest.Install(t)
			id := fmt.Sprintf("dump-test-%d-trainer", os.Getpid())
			command := node.Command()
			command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWIPC}
			group := freezertest.Run(t, version, parent, id, command)
			node.Within(t, group.Path)
			node.Begun(t, group.PID)
			f.add(t, id, "trainer", group, f.dir+"/kubelet/pods/pod-uid/"+checkpoint.EmptyDirs+"/data")
			must(t, os.WriteFile(f.dir+"/gpu", []byte(node.Path(group.PID)), 0o600))
			test(t, f, node, group.PID)
		})
	}
}

// uses checks that the process has its GPU.
func uses(t *testing.T, node *cudatest.Node, pid int) {
	t.Helper()
	if state, devices := node.State(pid), cuda.Devices(pid); state != "running" || len(devices) != 1 {
		t.Errorf("the state is %q, %v is open", state, devices)
	}
}

func TestTakeDumpsAProcessThatIsOffItsGPU(t *testing.T) {
	runGPU(t, `case $id in *trainer) cp "$gpu" at-dump;; esac`, func(t *testing.T, f fixture, node *cudatest.Node, pid int) {
		result, err := Take(context.Background(), f.node, f.request)
		must(t, err)
		at, err := os.ReadFile(f.dir + "/at-dump")
		must(t, err)
		if string(at) != "checkpointed\n" {
			t.Errorf("the state at the dump was %q", at)
		}
		uses(t, node, pid)
		if got := node.Actions(t); got != "lock checkpoint restore unlock" {
			t.Errorf("got %s", got)
		}
		c := result.Checkpoint
		for _, each := range c.Containers {
			if (each.GPU != nil) != (each.Name == "trainer") {
				t.Errorf("container %s: %+v", each.Name, each.GPU)
			}
		}
		if got := c.Containers[2].GPU; got == nil || got.Processes != 1 || got.Driver != driverVersion {
			t.Errorf("got %+v", got)
		}
		if result.Timings.GPU <= 0 || c.FrozenNanoseconds < result.Timings.GPU {
			t.Errorf("off the GPU after %d of %d ns", result.Timings.GPU, c.FrozenNanoseconds)
		}
		root, err := os.OpenRoot(result.Directory)
		must(t, err)
		defer root.Close()
		_, err = checkpoint.Read(root)
		must(t, err)
	})
}

func TestTheReturnOfAGPUDoesNotCountForTheLimit(t *testing.T) {
	runGPU(t, "", func(t *testing.T, f fixture, node *cudatest.Node, pid int) {
		f.request.FreezeMilliseconds = 2000
		// Longer than the watchdog would wait for a thaw.
		node.Act(t, `[ $action != restore ] || sleep 6`)
		_, err := Take(context.Background(), f.node, f.request)
		must(t, err)
		uses(t, node, pid)
		if got := node.Actions(t); got != "lock checkpoint restore unlock" {
			t.Errorf("got %s", got)
		}
	})
}

func TestAProcessHasItsGPUAgainAfterAFailedDump(t *testing.T) {
	runGPU(t, `case $id in *trainer) exit 9;; esac`, func(t *testing.T, f fixture, node *cudatest.Node, pid int) {
		f.fails(t, ReasonDump, "")
		uses(t, node, pid)
	})
}

func TestAProcessHasItsGPUAgainIfItDoesNotLeaveItInTime(t *testing.T) {
	for _, action := range []string{"lock", "checkpoint"} {
		t.Run(action, func(t *testing.T) {
			runGPU(t, "", func(t *testing.T, f fixture, node *cudatest.Node, pid int) {
				node.Act(t, `[ $action != `+action+` ] || sleep 30`)
				f.request.FreezeMilliseconds = 500
				f.fails(t, ReasonDeadline, "")
				uses(t, node, pid)
			})
		})
	}
}

func TestAProcessHasItsGPUAgainIfItCannotLeaveIt(t *testing.T) {
	runGPU(t, "", func(t *testing.T, f fixture, node *cudatest.Node, pid int) {
		node.Act(t, `[ $action != checkpoint ] || { echo "not supported"; exit 1; }`)
		f.fails(t, ReasonDump, "not supported")
		uses(t, node, pid)
	})
}

func TestAProcessThatIsEndedDoesNotGetItsGPUBack(t *testing.T) {
	runGPU(t, "", func(t *testing.T, f fixture, node *cudatest.Node, pid int) {
		f.request.Stop = true
		_, err := Take(context.Background(), f.node, f.request)
		must(t, err)
		if got := node.Actions(t); got != "lock checkpoint" {
			t.Errorf("got %s", got)
		}
	})
}

func TestTakeRejectsGPUsThatItCannotRelease(t *testing.T) {
	for name, each := range map[string]struct {
		arrange func(t *testing.T, f fixture, node *cudatest.Node, pid int)
		text    string
	}{
		"no cuda-checkpoint": {func(t *testing.T, _ fixture, _ *cudatest.Node, _ int) {
			path := os.Getenv("PATH")
			t.Setenv("PATH", path[strings.IndexByte(path, ':')+1:])
		}, "the node has no cuda-checkpoint"},
		"locked by another program": {func(t *testing.T, _ fixture, node *cudatest.Node, pid int) { node.Set(t, pid, "locked") }, "is locked, not running"},
		"without CUDA":              {func(t *testing.T, _ fixture, node *cudatest.Node, pid int) { must(t, os.Remove(node.Path(pid))) }, "does not use CUDA"},
	} {
		t.Run(name, func(t *testing.T) {
			runGPU(t, "", func(t *testing.T, f fixture, node *cudatest.Node, pid int) {
				each.arrange(t, f, node, pid)
				failure := f.fails(t, ReasonNotPossible, each.text)
				if failure.Container != "trainer" || node.Actions(t) != "" {
					t.Errorf("container %q, actions %q", failure.Container, node.Actions(t))
				}
			})
		})
	}
}

func TestTakeRejectsADeviceThatStaysOpen(t *testing.T) {
	runGPU(t, "", func(t *testing.T, f fixture, node *cudatest.Node, pid int) {
		// The process keeps the device: the stand-in only notes the state.
		node.Act(t, `case $action in checkpoint|restore) [ $action = checkpoint ] && next=checkpointed || next=locked; echo $next > "states/$pid"; exit 0;; esac`)
		f.fails(t, ReasonNotPossible, "still has devices of NVIDIA's driver open")
		uses(t, node, pid)
	})
}

func TestNoContainerWithAGPUIsDumpedBefore(t *testing.T) {
	runGPU(t, ". ./states", func(t *testing.T, f fixture, _ *cudatest.Node, _ int) {
		must(t, os.WriteFile(f.dir+"/tracks", nil, 0o600))
		large := f.runs(t, 0, ballastCommand)
		take := func(container string) int {
			group := strings.TrimSuffix(f.groups[0].Path, "app") + container
			must(t, os.WriteFile(group+"/cgroup.procs", fmt.Append(nil, large), 0))
			paths := f.groups[0].Path + " " + f.groups[1].Path + " " + group
			must(t, os.WriteFile(f.dir+"/groups", []byte(paths), 0o600))
			f.request.UID = "cp-" + container
			result, err := Take(context.Background(), f.node, f.request)
			must(t, err)
			return result.Checkpoint.PreDump.Passes
		}
		if passes := take("app"); passes == 0 {
			t.Error("a container without a GPU was not dumped before")
		}
		if passes := take("trainer"); passes != 0 {
			t.Error("the container with the GPU was dumped before")
		}
	})
}
