package cuda_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"cedana.ai/cdk/runtime/internal/cuda"
	"cedana.ai/cdk/runtime/internal/cudatest"
)

// start starts a process of a test.
func start(t *testing.T, command *exec.Cmd) int {
	t.Helper()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return command.Process.Pid
}

func TestPauseAndResumeReleaseAndReturnTheDevice(t *testing.T) {
	node := cudatest.Install(t)
	pid := start(t, node.Command())
	node.Begun(t, pid)
	monitor := start(t, node.Monitor())
	for len(cuda.Devices(monitor)) == 0 {
		time.Sleep(time.Millisecond)
	}
	tool := cuda.Find()
	users := tool.Users(context.Background(), []int{pid, monitor, 1 << 30})
	if !reflect.DeepEqual(users, []cuda.Process{{PID: pid, Start: cudatest.Start(t, pid)}}) {
		t.Fatalf("got %v", users)
	}
	if err := tool.Running(context.Background(), users); err != nil {
		t.Fatal(err)
	}
	if err := tool.Pause(context.Background(), users); err != nil {
		t.Fatal(err)
	}
	if devices := cuda.Devices(pid); len(devices) > 0 || node.State(pid) != "checkpointed" {
		t.Errorf("%v is open, the state is %s", devices, node.State(pid))
	}
	if err := tool.Running(context.Background(), users); err == nil || !strings.Contains(err.Error(), "checkpointed, not running") {
		t.Errorf("got %v", err)
	}
	if err := tool.Resume(context.Background(), users); err != nil {
		t.Fatal(err)
	}
	if devices := cuda.Devices(pid); len(devices) != 1 || node.State(pid) != "running" {
		t.Errorf("%v is open, the state is %s", devices, node.State(pid))
	}
}

func TestResumeWorksFromEachStateAndSkipsWhatEnded(t *testing.T) {
	for state, want := range map[string]string{"running": "", "locked": "unlock", "checkpointed": "restore unlock"} {
		t.Run(state, func(t *testing.T) {
			node := cudatest.Install(t)
			pid := start(t, node.Command())
			node.Begun(t, pid)
			node.Set(t, pid, state)
			process := cuda.Process{PID: pid, Start: cudatest.Start(t, pid)}
			other := cuda.Process{PID: pid, Start: process.Start - 1}
			if err := cuda.Find().Resume(context.Background(), []cuda.Process{process, other, {PID: 1 << 30}}); err != nil {
				t.Fatal(err)
			}
			if got := node.Actions(t); got != want || node.State(pid) != "running" {
				t.Errorf("got %q, the state is %s", got, node.State(pid))
			}
		})
	}
}

func TestResumeTriesAgainWhatAnotherProgramDidMeanwhile(t *testing.T) {
	node := cudatest.Install(t)
	pid := start(t, node.Command())
	node.Begun(t, pid)
	node.Set(t, pid, "locked")
	// The other one unlocks before this one does.
	node.Act(t, `[ -e once ] || { touch once; echo running > "states/$pid"; state=running; }`)
	process := cuda.Process{PID: pid, Start: cudatest.Start(t, pid)}
	if err := cuda.Find().Resume(context.Background(), []cuda.Process{process}); err != nil || node.State(pid) != "running" {
		t.Errorf("got %v, the state is %s", err, node.State(pid))
	}
}

func TestErrorsNameTheActionTheProcessAndTheOutput(t *testing.T) {
	node := cudatest.Install(t)
	pid := start(t, node.Command())
	node.Begun(t, pid)
	node.Act(t, `[ $action != checkpoint ] || { echo "out of memory"; exit 1; }`)
	process := cuda.Process{PID: pid, Start: cudatest.Start(t, pid)}
	err := cuda.Find().Pause(context.Background(), []cuda.Process{process})
	if err == nil || !strings.Contains(err.Error(), "cuda-checkpoint --action checkpoint, process ") || !strings.HasSuffix(err.Error(), "out of memory") {
		t.Errorf("got %v", err)
	}
	cause := errors.New("given up")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	if err := cuda.Find().Pause(ctx, []cuda.Process{process}); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}

func TestFindReturnsNothingOnANodeWithoutTheProgram(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if got := cuda.Find(); got != "" {
		t.Errorf("got %s", got)
	}
}

func TestReadDriver(t *testing.T) {
	root := t.TempDir()
	if got := cuda.ReadDriver(root); got.Version != "" || len(got.Models) != 0 {
		t.Errorf("got %+v", got)
	}
	for name, text := range map[string]string{
		"proc/driver/nvidia/version":                       "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build  (dvs-builder@x)  Tue\nGCC version:  gcc version 13.3.0\n",
		"proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t\t NVIDIA H200\nIRQ:   \t\t 0\nGPU UUID: \t GPU-1\nDevice Minor: \t 3\n",
		"proc/driver/nvidia/gpus/0000:02:00.0/information": "Model: \t\t NVIDIA H200\nDevice Minor: \t ../x\n",
	} {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	want := cuda.Driver{Version: "580.159.04", Models: map[string]string{"/dev/nvidia3": "NVIDIA H200"}}
	if got := cuda.ReadDriver(root); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}
