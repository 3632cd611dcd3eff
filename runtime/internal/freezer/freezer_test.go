package freezer

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hierarchies returns the directories of this machine's hierarchies with a freezer.
func hierarchies(t *testing.T) map[string]string {
	if os.Getuid() != 0 {
		t.Skip("needs root: it creates cgroups")
	}
	found := map[string]string{}
	for version, paths := range map[string][]string{V1: {Root + "/freezer"}, V2: {Root + "/unified", Root}} {
		for _, path := range paths {
			var stat unix.Statfs_t
			if unix.Statfs(path, &stat) != nil {
				continue
			}
			isV2 := stat.Type == unix.CGROUP2_SUPER_MAGIC
			if (version == V2) == isV2 && (isV2 || stat.Type == unix.CGROUP_SUPER_MAGIC) && found[version] == "" {
				found[version] = path
			}
		}
	}
	if len(found) == 0 {
		t.Skip("this machine has no cgroup hierarchy with a freezer")
	}
	return found
}

// group is a cgroup with a process that counts in a file.
type group struct {
	Cgroup
	counter string
}

func newGroup(t *testing.T, version, parent, name string) group {
	t.Helper()
	g := group{Cgroup{version, filepath.Join(parent, name)}, filepath.Join(t.TempDir(), "count")}
	if err := os.Mkdir(g.Path, 0o755); err != nil {
		t.Skipf("cannot create a cgroup: %v", err)
	}
	command := exec.Command("/bin/sh", "-c", `while :; do printf x >> "$0"; sleep 0.005; done`, g.counter)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = Thaw(context.Background(), []Cgroup{g.Cgroup})
		// Its child `sleep` ends by itself.
		_ = command.Process.Kill()
		_ = command.Wait()
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
	g.counts(t)
	return g
}

func (g group) size() int {
	content, _ := os.ReadFile(g.counter)
	return len(content)
}

// counts waits until the process has counted on.
func (g group) counts(t *testing.T) {
	t.Helper()
	before := g.size()
	for range 6000 {
		if g.size() > before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the process does not run")
}

// stands checks that the process does not run for ten of its steps.
func (g group) stands(t *testing.T) {
	t.Helper()
	before := g.size()
	time.Sleep(50 * time.Millisecond)
	if g.size() != before {
		t.Error("the process runs although it is frozen")
	}
}

func TestFreezeStopsAllAndThawResumesAll(t *testing.T) {
	for version, parent := range hierarchies(t) {
		t.Run(version, func(t *testing.T) {
			ctx := context.Background()
			one := newGroup(t, version, parent, fmt.Sprintf("freezer-test-%d-1", os.Getpid()))
			two := newGroup(t, version, parent, fmt.Sprintf("freezer-test-%d-2", os.Getpid()))
			all := []Cgroup{one.Cgroup, two.Cgroup}
			if err := Freeze(ctx, all); err != nil {
				t.Fatal(err)
			}
			for _, each := range []group{one, two} {
				each.stands(t)
				if frozen, err := each.Frozen(); !frozen || err != nil {
					t.Errorf("got %v, %v", frozen, err)
				}
			}
			if err := Thaw(ctx, all); err != nil {
				t.Fatal(err)
			}
			for _, each := range []group{one, two} {
				each.counts(t)
				if freezing, err := each.Freezing(); freezing || err != nil {
					t.Errorf("got %v, %v", freezing, err)
				}
			}
			if err := Thaw(ctx, all); err != nil {
				t.Errorf("a second thaw: %v", err)
			}
			// One cgroup is missing: the others must not stay frozen.
			missing := Cgroup{version, parent + "/freezer-test-missing"}
			if err := Freeze(ctx, []Cgroup{one.Cgroup, missing}); err == nil {
				t.Error("a missing cgroup is no error")
			}
			one.counts(t)
			if err := Thaw(ctx, []Cgroup{missing, one.Cgroup}); err != nil {
				t.Errorf("thaw of a removed cgroup: %v", err)
			}
			expired, cancel := context.WithCancel(ctx)
			cancel()
			if err := Freeze(expired, all); err != nil && !strings.Contains(err.Error(), "canceled") {
				t.Errorf("got %v", err)
			} else if err == nil {
				// The kernel was faster than the first look at the context.
				if err := Thaw(ctx, all); err != nil {
					t.Error(err)
				}
			}
			one.counts(t)
			two.counts(t)
		})
	}
}

func TestFrozenParentIsNotTheOwnSetting(t *testing.T) {
	for version, root := range hierarchies(t) {
		t.Run(version, func(t *testing.T) {
			parent := Cgroup{version, filepath.Join(root, fmt.Sprintf("freezer-test-%d-parent", os.Getpid()))}
			if err := os.Mkdir(parent.Path, 0o755); err != nil {
				t.Skipf("cannot create a cgroup: %v", err)
			}
			t.Cleanup(func() { _ = os.Remove(parent.Path) })
			child := newGroup(t, version, parent.Path, "child")
			ctx := context.Background()
			if err := Freeze(ctx, []Cgroup{parent}); err != nil {
				t.Fatal(err)
			}
			child.stands(t)
			if freezing, err := child.Freezing(); freezing || err != nil {
				t.Errorf("got %v, %v", freezing, err)
			}
			if err := Thaw(ctx, []Cgroup{child.Cgroup}); err != nil {
				t.Errorf("thaw below a frozen parent: %v", err)
			}
			if err := Thaw(ctx, []Cgroup{parent}); err != nil {
				t.Error(err)
			}
			child.counts(t)
		})
	}
}

func TestValidate(t *testing.T) {
	for _, each := range []Cgroup{
		{"v3", Root + "/x"}, {V1, Root}, {V1, "/etc"}, {V2, Root + "/../../etc"}, {V2, Root + "/x/"}, {V2, "sys/fs/cgroup/x"},
	} {
		if each.Validate() == nil {
			t.Errorf("%+v is accepted", each)
		}
	}
	if err := (Cgroup{V1, Root + "/freezer/kubepods/x"}).Validate(); err != nil {
		t.Error(err)
	}
}

// TestStatesOfTheKernel reads every state from files as the kernel writes them.
func TestStatesOfTheKernel(t *testing.T) {
	dir := t.TempDir()
	write := func(files map[string]string) {
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, each := range []struct {
		version string
		files   map[string]string
		want    state
	}{
		{V1, map[string]string{"freezer.state": "THAWED", "freezer.self_freezing": "0", "freezer.parent_freezing": "0"}, stateThawed},
		{V1, map[string]string{"freezer.state": "FREEZING", "freezer.self_freezing": "1", "freezer.parent_freezing": "0"}, stateFreezing},
		{V1, map[string]string{"freezer.state": "FROZEN", "freezer.self_freezing": "1", "freezer.parent_freezing": "0"}, stateFrozen},
		{V1, map[string]string{"freezer.state": "FROZEN", "freezer.self_freezing": "0", "freezer.parent_freezing": "1"}, stateThawed},
		{V2, map[string]string{"cgroup.freeze": "0", "cgroup.events": "populated 1\nfrozen 0"}, stateThawed},
		{V2, map[string]string{"cgroup.freeze": "1", "cgroup.events": "populated 1\nfrozen 0"}, stateFreezing},
		{V2, map[string]string{"cgroup.freeze": "1", "cgroup.events": "populated 1\nfrozen 1"}, stateFrozen},
		{V2, map[string]string{"cgroup.freeze": "0", "cgroup.events": "populated 1\nfrozen 1"}, stateFreezing},
	} {
		write(each.files)
		if got, err := (Cgroup{each.version, dir}).state(); got != each.want || err != nil {
			t.Errorf("%v: got %s, %v", each.files, got, err)
		}
	}
	if _, err := (Cgroup{V2, "/nonexistent"}).state(); err == nil {
		t.Errorf("got %v", err)
	}
}
