package guard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"cedana.ai/cdk/runtime/internal/cuda"
	"cedana.ai/cdk/runtime/internal/cudatest"
	"cedana.ai/cdk/runtime/internal/freezer"
	"cedana.ai/cdk/runtime/internal/freezertest"
)

// offGPU runs a test with a frozen process that is off its GPU, with its journal entry.
func offGPU(t *testing.T, run func(t *testing.T, node *cudatest.Node, entry Entry, journal Journal, runs func())) {
	for version, parent := range freezertest.Hierarchies(t) {
		t.Run(version, func(t *testing.T) {
			node := cudatest.Install(t)
			group := freezertest.Run(t, version, parent, fmt.Sprintf("guard-gpu-%d", os.Getpid()), node.Command())
			node.Within(t, group.Path)
			node.Begun(t, group.PID)
			dir := t.TempDir()
			entry, err := NewEntry("cp", dir+"/work", []freezer.Cgroup{group.Cgroup})
			process := cuda.Process{PID: group.PID, Start: cudatest.Start(t, group.PID)}
			entry.GPU = []cuda.Process{process}
			if err = errors.Join(err, os.Mkdir(entry.Directory, 0o700), cuda.Find().Pause(context.Background(), entry.GPU)); err != nil {
				t.Fatal(err)
			}
			if err := freezer.Freeze(context.Background(), entry.Cgroups); err != nil {
				t.Fatal(err)
			}
			run(t, node, entry, Journal(dir+"/journal"), func() {
				t.Helper()
				if freezing, err := group.Freezing(); freezing || err != nil || node.State(group.PID) != "running" || len(cuda.Devices(group.PID)) != 1 {
					t.Errorf("frozen %v, %v; the state is %s", freezing, err, node.State(group.PID))
				}
			})
		})
	}
}

func TestWatchdogGivesGPUsBackWhenTheServiceDies(t *testing.T) {
	offGPU(t, func(t *testing.T, _ *cudatest.Node, entry Entry, journal Journal, runs func()) {
		g, err := Begin(journal, entry, time.Hour, "/proc/self/exe", WatchdogCommand)
		if err != nil {
			t.Fatal(err)
		}
		// As when the service dies.
		_ = g.stdin.Close()
		<-g.Died()
		if err := outcome(g.err); !errors.Is(err, ErrReleased) {
			t.Errorf("got %v", err)
		}
		runs()
	})
}

// thawed begins a guard and thaws its containers.
func thawed(t *testing.T, entry Entry, journal Journal, limit time.Duration) *Guard {
	t.Helper()
	g, err := Begin(journal, entry, limit, "/proc/self/exe", WatchdogCommand)
	if err != nil {
		t.Fatal(err)
	}
	if err := freezer.Thaw(context.Background(), entry.Cgroups); err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGPUsMayBeGivenBackAfterTheLimit(t *testing.T) {
	offGPU(t, func(t *testing.T, node *cudatest.Node, entry Entry, journal Journal, runs func()) {
		node.Act(t, `[ $action != restore ] || until [ -e late ]; do sleep 0.01; done`)
		const limit = 2 * time.Second
		g := thawed(t, entry, journal, limit)
		time.AfterFunc(2*limit, func() { node.Touch(t, "late") })
		if err := errors.Join(g.ReturnGPUs(context.Background()), g.End()); err != nil {
			t.Error(err)
		}
		runs()
		if got := node.Actions(t); got != "lock checkpoint restore unlock" {
			t.Errorf("got %s", got)
		}
	})
}

func TestWatchdogGivesGPUsBackWhenTheServiceDiesAfterTheThaw(t *testing.T) {
	offGPU(t, func(t *testing.T, _ *cudatest.Node, entry Entry, journal Journal, runs func()) {
		g := thawed(t, entry, journal, time.Hour)
		if err := g.Extend(time.Hour); err != nil {
			t.Fatal(err)
		}
		if names, _ := os.ReadDir(string(journal)); len(names) != 1 {
			t.Errorf("the journal has %v", names)
		}
		_ = g.stdin.Close()
		<-g.Died()
		if err := outcome(g.err); !errors.Is(err, ErrReleased) {
			t.Errorf("got %v", err)
		}
		runs()
	})
}

func TestWatchdogGivesGPUsBackWhenTheServiceHangsAfterTheThaw(t *testing.T) {
	offGPU(t, func(t *testing.T, _ *cudatest.Node, entry Entry, journal Journal, runs func()) {
		g := thawed(t, entry, journal, time.Hour)
		if err := g.Extend(300 * time.Millisecond); err != nil {
			t.Fatal(err)
		}
		<-g.Died()
		if err := g.End(); !errors.Is(err, ErrReleased) {
			t.Errorf("got %v", err)
		}
		runs()
	})
}

func TestEndLetsAWatchdogThatActsGiveGPUsBack(t *testing.T) {
	before := answerTime
	t.Cleanup(func() { answerTime = before })
	offGPU(t, func(t *testing.T, node *cudatest.Node, entry Entry, journal Journal, runs func()) {
		node.Act(t, `[ $action != restore ] || { touch begun; sleep 1; }`)
		answerTime = before
		g := thawed(t, entry, journal, time.Millisecond)
		for !node.Has("begun") {
			time.Sleep(5 * time.Millisecond)
		}
		answerTime = 100 * time.Millisecond
		if err := g.End(); !errors.Is(err, ErrReleased) {
			t.Errorf("got %v", err)
		}
		runs()
	})
}

func TestRecoverGivesGPUsBack(t *testing.T) {
	offGPU(t, func(t *testing.T, _ *cudatest.Node, entry Entry, journal Journal, runs func()) {
		if err := journal.write(&entry); err != nil {
			t.Fatal(err)
		}
		if recovered, err := journal.Recover(context.Background()); err != nil || len(recovered) != 1 {
			t.Errorf("got %v, %v", recovered, err)
		}
		runs()
	})
}
