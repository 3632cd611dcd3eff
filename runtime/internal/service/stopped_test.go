package service

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/dump"
	"cedana.ai/cdk/runtime/internal/freezer"
	"cedana.ai/cdk/runtime/internal/freezertest"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// run adds a running container of the pod "pod" to the files of containerd and runc. It returns a channel that is closed when
// its process has ended.
func (f *fixture) run(t *testing.T, id, name string) <-chan struct{} {
	t.Helper()
	hierarchies := freezertest.Hierarchies(t)
	version := freezer.V1
	if hierarchies[version] == "" {
		version = freezer.V2
	}
	group := freezertest.New(t, version, hierarchies[version], fmt.Sprintf("service-test-%d-%s", os.Getpid(), id))
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", group.PID))
	must(t, err)
	bundle, state := f.node.Paths.Bundles+"/"+id, f.node.Paths.Runtime+"/"+id
	spec, err := json.Marshal(specs.Spec{
		Process: &specs.Process{}, Root: &specs.Root{}, Linux: &specs.Linux{},
		Annotations: map[string]string{"io.kubernetes.cri.sandbox-uid": "pod", "io.kubernetes.cri.container-name": name},
	})
	must(t, err, os.MkdirAll(bundle, 0o700), os.MkdirAll(state, 0o700))
	cgroups := map[string]string{"": group.Path}
	if version == freezer.V1 {
		cgroups = map[string]string{"freezer": group.Path}
	}
	text, err := json.Marshal(map[string]any{
		"init_process_pid": group.PID, "init_process_start": json.Number(strings.Fields(string(stat))[21]), "cgroup_paths": cgroups,
	})
	must(t, err, os.WriteFile(bundle+"/config.json", spec, 0o600), os.WriteFile(state+"/state.json", text, 0o600))
	return group.Ended()
}

func running(ended <-chan struct{}) bool {
	select {
	case <-ended:
		return false
	default:
		return true
	}
}

// The service died after it had written a checkpoint that ends the processes.
func TestARepeatedStopKeepsTheOnlyCopy(t *testing.T) {
	for name, each := range map[string]struct {
		// of are the containers of the checkpoint, and run those that run now.
		of, run []string
		taken   int32
		// ends says that what runs must end.
		ends bool
	}{
		"no container runs":             {of: []string{"app-1"}},
		"the kubelet created it again":  {of: []string{"app-1"}, run: []string{"app-2"}},
		"all were left running":         {of: []string{"app-1"}, run: []string{"app-1"}, taken: 1},
		"one was left running":          {of: []string{"app-1", "log-1"}, run: []string{"log-1"}, ends: true},
		"one was left, one runs again":  {of: []string{"app-1", "log-1"}, run: []string{"app-2"}},
		"another container was started": {of: []string{"app-1"}, run: []string{"app-1", "debug-1"}, taken: 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			ended := []<-chan struct{}{}
			for _, id := range each.run {
				container, _, _ := strings.Cut(id, "-")
				ended = append(ended, f.run(t, id, container))
			}
			writeCheckpoint(t, f.node.Checkpoints, dump.Request{UID: "cp", PodUID: "pod"}, each.of...)
			f.release <- nil
			c := f.connect(t)
			c.send("1", "checkpoint", `{"uid":"cp","podUID":"pod","stop":true}`)
			c.want("1", "")
			if f.taken.Load() != each.taken {
				t.Errorf("%d checkpoints were taken, want %d", f.taken.Load(), each.taken)
			}
			for _, one := range ended {
				if running(one) == each.ends {
					t.Errorf("a process runs: %v", running(one))
				}
			}
		})
	}
}

// A directory that is half deleted must not look like a checkpoint.
func TestACheckpointThatIsTakenAgainIsHiddenFirst(t *testing.T) {
	f := start(t)
	f.run(t, "app-1", "app")
	writeCheckpoint(t, f.node.Checkpoints, dump.Request{UID: "cp", PodUID: "pod"}, "app-1")
	take := f.take
	f.take = func(ctx context.Context, node *dump.Node, request dump.Request) (*dump.Result, error) {
		if _, err := os.Stat(f.node.Checkpoints + "/cp/" + checkpoint.File); err == nil {
			t.Error("the old checkpoint is still there")
		}
		return take(ctx, node, request)
	}
	f.release <- nil
	c := f.connect(t)
	c.send("1", "checkpoint", `{"uid":"cp","podUID":"pod","stop":true}`)
	c.want("1", "")
}
