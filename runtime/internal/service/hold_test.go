package service

import (
	"fmt"
	"os"
	"testing"
	"time"

	"cedana.ai/cdk/runtime/internal/dump"
	"cedana.ai/cdk/runtime/internal/parts"
	"cedana.ai/cdk/runtime/internal/plan"
	"golang.org/x/sys/unix"
)

// laid publishes a plan with the container app for the pod `pod`, and returns a function that records its phase.
func (f *fixture) laid(t *testing.T) func(plan.Container) {
	t.Helper()
	metadata, set := f.exported(t)
	f.wantStage(t, "pod", parts.Metadata, metadata, "", true, "")
	f.wantStage(t, "pod", images, set, "", true, "")
	f.call(t, "lay", layParams("pod"), "")
	pod, err := plan.Open(f.dir+"/restore", "pod")
	must(t, err)
	t.Cleanup(func() { pod.Close() })
	return func(app plan.Container) {
		must(t, pod.Save(&plan.State{Version: 1, Decision: plan.Restore, Containers: map[string]*plan.Container{"app": &app}}))
	}
}

// holdsFIFO lets the service hold a FIFO as the wrapper does, and returns an end for reading.
func (f *fixture) holdsFIFO(t *testing.T) int {
	t.Helper()
	path := t.TempDir() + "/pipe"
	must(t, unix.Mkfifo(path, 0o600))
	both, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
	must(t, err)
	reader, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(reader) })
	f.call(t, "hold", fmt.Sprintf(`{"podUID":"pod","descriptors":[%d]}`, both.Fd()), "")
	must(t, both.Close())
	return reader
}

// ended waits until a FIFO has no end for writing.
func ended(t *testing.T, reader int) {
	t.Helper()
	for range 6000 {
		if n, err := unix.Read(reader, make([]byte, 1)); n == 0 && err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the FIFO is held")
}

func TestAFIFOIsHeldUntilAllContainersAreRestored(t *testing.T) {
	f := start(t)
	save := f.laid(t)
	cgroup := t.TempDir()
	for name, last := range map[string]plan.Container{
		"restored":      {Phase: plan.Restored, Cgroup: cgroup},
		"started fresh": {Phase: plan.StartedFresh},
		"has ended":     {Phase: plan.Restored, Cgroup: cgroup + "/none"},
	} {
		t.Run(name, func(t *testing.T) {
			save(plan.Container{Phase: plan.Restoring})
			reader := f.holdsFIFO(t)
			time.Sleep(3 * holdPeriod)
			if n, err := unix.Read(reader, make([]byte, 1)); err != unix.EAGAIN {
				t.Errorf("a reader gets %d, %v: no process holds the other end", n, err)
			}
			save(last)
			ended(t, reader)
		})
	}
	t.Run("the plan is deleted", func(t *testing.T) {
		save(plan.Container{Phase: plan.Restoring})
		reader := f.holdsFIFO(t)
		must(t, plan.Remove(f.dir+"/restore", "pod"))
		ended(t, reader)
	})
}

func TestOnlyFIFOsAreHeld(t *testing.T) {
	f := start(t)
	file, err := os.Open("/dev/null")
	must(t, err)
	defer file.Close()
	for _, each := range []string{fmt.Sprint(file.Fd()), "-1", "1000000", ""} {
		f.call(t, "hold", fmt.Sprintf(`{"podUID":"pod","descriptors":[%s]}`, each), dump.ReasonInvalid)
	}
	f.call(t, "hold", `{"podUID":"../pod","descriptors":[0]}`, dump.ReasonInvalid)
}
