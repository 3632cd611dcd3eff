package freezer_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cedana.ai/cdk/runtime/internal/freezer"
	"cedana.ai/cdk/runtime/internal/freezertest"
	"cedana.ai/cdk/runtime/internal/proc"
	"golang.org/x/sys/unix"
)

// starts names the environment variable that lets this program start others without an end, which os/exec does by vfork.
const starts = "FREEZER_TEST_STARTS"

func TestMain(m *testing.M) {
	for os.Getenv(starts) != "" {
		if err := exec.Command("/bin/true").Run(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// starting creates a cgroup with a process that starts programs all the time.
func starting(t *testing.T, version, parent string) freezertest.Group {
	t.Helper()
	t.Setenv(starts, "1")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return freezertest.Run(t, version, parent, fmt.Sprintf("freezer-test-%d-vfork", os.Getpid()), exec.Command(program))
}

// withMemoryOfParent returns the processes of a cgroup that use the memory of their parent.
func withMemoryOfParent(t *testing.T, cgroup freezer.Cgroup) []int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(cgroup.Path, "cgroup.procs"))
	if err != nil {
		t.Fatal(err)
	}
	all := []int{}
	for _, field := range strings.Fields(string(text)) {
		all = append(all, 0)
		if _, err := fmt.Sscan(field, &all[len(all)-1]); err != nil {
			t.Fatal(err)
		}
	}
	found := []int{}
	for _, one := range all {
		for _, other := range all {
			if one != other && proc.SharesMemory(one, other) {
				found = append(found, one)
			}
		}
	}
	return found
}

func TestFreezeFreezesNoProcessWithinVfork(t *testing.T) {
	for version, parent := range freezertest.Hierarchies(t) {
		t.Run(version, func(t *testing.T) {
			ctx := context.Background()
			all := []freezer.Cgroup{starting(t, version, parent).Cgroup}
			for range 300 {
				if err := freezer.Freeze(ctx, all); err != nil {
					t.Fatal(err)
				}
				if found := withMemoryOfParent(t, all[0]); len(found) > 0 {
					t.Errorf("processes %v share their memory", found)
				}
				if err := freezer.Thaw(ctx, all); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestFreezeRejectsAProcessThatStaysWithinVfork(t *testing.T) {
	for version, parent := range freezertest.Hierarchies(t) {
		t.Run(version, func(t *testing.T) {
			ctx := context.Background()
			group := starting(t, version, parent)
			all := []freezer.Cgroup{group.Cgroup}
			child := group.HoldWithinVfork(t, group.PID)
			var shared *freezer.SharedMemoryError
			if err := freezer.Freeze(ctx, all); !errors.As(err, &shared) || shared.PID != child || shared.Cgroup != all[0] {
				t.Errorf("got %v, not the process %d", err, child)
			}
			if freezing, err := all[0].Freezing(); freezing || err != nil {
				t.Errorf("got %v, %v", freezing, err)
			}
			if err := unix.Kill(child, unix.SIGCONT); err != nil {
				t.Fatal(err)
			}
			if err := freezer.Freeze(ctx, all); err != nil {
				t.Error(err)
			}
		})
	}
}
