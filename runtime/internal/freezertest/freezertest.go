// Package freezertest creates cgroups with a process for tests.
package freezertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"cedana.ai/cdk/runtime/internal/freezer"
	"cedana.ai/cdk/runtime/internal/proc"
	"golang.org/x/sys/unix"
)

// Hierarchies returns the directories of this machine's cgroup hierarchies with a freezer, by version. Without root or a
// hierarchy it skips the test.
func Hierarchies(t *testing.T) map[string]string {
	if os.Getuid() != 0 {
		t.Skip("needs root: it creates cgroups")
	}
	found := map[string]string{}
	for version, paths := range map[string][]string{
		freezer.V1: {freezer.Root + "/freezer"}, freezer.V2: {freezer.Root + "/unified", freezer.Root},
	} {
		for _, path := range paths {
			var stat unix.Statfs_t
			if unix.Statfs(path, &stat) != nil {
				continue
			}
			isV2 := stat.Type == unix.CGROUP2_SUPER_MAGIC
			if (version == freezer.V2) == isV2 && (isV2 || stat.Type == unix.CGROUP_SUPER_MAGIC) && found[version] == "" {
				found[version] = path
			}
		}
	}
	if len(found) == 0 {
		t.Skip("this machine has no cgroup hierarchy with a freezer")
	}
	return found
}

// Group is a cgroup with a process that counts.
type Group struct {
	freezer.Cgroup
	// PID is the process.
	PID     int
	counter string
	ended   chan struct{}
}

// New creates a cgroup below a parent. The test's end removes it. It skips the test if cgroups cannot be created.
func New(t *testing.T, version, parent, name string) Group {
	t.Helper()
	counter := filepath.Join(t.TempDir(), "count")
	command := exec.Command("/bin/sh", "-c", `while :; do printf x >> "$0"; sleep 0.005; done`, counter)
	// Without the System V objects of other programs, with which a checkpoint of several containers is refused.
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWIPC}
	g := Run(t, version, parent, name, command)
	g.counter = counter
	g.Counts(t)
	return g
}

// Run creates a cgroup with the process of a command, as New does.
func Run(t *testing.T, version, parent, name string, command *exec.Cmd) Group {
	t.Helper()
	g := Group{Cgroup: freezer.Cgroup{Version: version, Path: filepath.Join(parent, name)}, ended: make(chan struct{})}
	if err := os.Mkdir(g.Path, 0o755); err != nil {
		t.Skipf("cannot create a cgroup: %v", err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(errors.Join(err, os.Remove(g.Path)))
	}
	g.PID = command.Process.Pid
	go func() {
		_ = command.Wait()
		close(g.ended)
	}()
	t.Cleanup(func() {
		_ = freezer.Thaw(context.Background(), []freezer.Cgroup{g.Cgroup})
		// Its child `sleep` ends by itself.
		_ = command.Process.Kill()
		<-g.ended
		for range 1000 {
			if os.Remove(g.Path) == nil {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
		t.Errorf("cannot remove %s", g.Path)
	})
	if err := os.WriteFile(filepath.Join(g.Path, "cgroup.procs"), fmt.Append(nil, command.Process.Pid), 0); err != nil {
		t.Fatal(err)
	}
	return g
}

// HoldWithinVfork stops a child of a process that starts programs all the time, between vfork and the start of its program, and
// returns the child. The test's end continues it.
func (g Group) HoldWithinVfork(t *testing.T, parent int) int {
	t.Helper()
	for range 60_000 {
		text, err := os.ReadFile(filepath.Join(g.Path, "cgroup.procs"))
		if err != nil {
			t.Fatal(err)
		}
		for field := range strings.FieldsSeq(string(text)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			if !withinVfork(child, parent) || unix.Kill(child, unix.SIGSTOP) != nil {
				continue
			}
			// It may have started its program before it stopped.
			if stops(child) && withinVfork(child, parent) {
				t.Cleanup(func() { _ = unix.Kill(child, unix.SIGCONT) })
				return child
			}
			_ = unix.Kill(child, unix.SIGCONT)
		}
		time.Sleep(100 * time.Microsecond)
	}
	t.Fatal("no process was found within vfork")
	return 0
}

// withinVfork says if a process is a child of another one and uses its memory.
func withinVfork(pid, parent int) bool {
	stat, err := proc.ReadStat(pid)
	return err == nil && stat.Parent == parent && proc.SharesMemory(pid, parent)
}

// stops waits until a process has stopped, and says if it did.
func stops(pid int) bool {
	for {
		switch stat, err := proc.ReadStat(pid); {
		case err != nil || stat.State == "Z" || stat.State == "X":
			return false
		case stat.State == "T":
			return true
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// Size returns how far the process has counted.
func (g Group) Size() int {
	content, _ := os.ReadFile(g.counter)
	return len(content)
}

// Counts waits until the process has counted on.
func (g Group) Counts(t *testing.T) {
	t.Helper()
	before := g.Size()
	for range 6000 {
		if g.Size() > before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the process does not run")
}

// Stands checks that the process does not run for ten of its steps.
func (g Group) Stands(t *testing.T) {
	t.Helper()
	before := g.Size()
	time.Sleep(50 * time.Millisecond)
	if g.Size() != before {
		t.Error("the process runs although it is frozen")
	}
}

// Ended returns a channel that is closed when the process has ended.
func (g Group) Ended() <-chan struct{} { return g.ended }
