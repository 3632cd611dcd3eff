package dump

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/pod"
)

const (
	ballastCommand = "ballast"
	startsCommand  = "starts"
)

// starts starts programs without an end, which os/exec does by vfork.
func starts() {
	fmt.Println("ready")
	for {
		if err := exec.Command("/bin/true").Run(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// ballast is a process with enough memory for a pre-dump.
func ballast() {
	memory := make([]byte, preDumpBytes+preDumpBytes/8)
	for i := range memory {
		memory[i] = byte(i)
	}
	fmt.Println("ready")
	select {}
}

// criuStandIn is a stand-in for CRIU: the kernel tracks memory if there is a file `tracks`. A pre-dump of a frozen container thaws
// it, reads the memory, freezes it again and writes. `read` and `write` are the shell commands of a test for these two steps.
const criuStandIn = `#!/bin/sh
from=$PWD
directory=$(dirname "$0")
case $1 in
check) [ -e "$directory/tracks" ]; exit;;
dedup) echo "${from##*/cp/} $2 ${3##*/cp/}" >> "$directory/dedups"; exit;;
pre-dump) ;;
*) echo Version: 4.2.1; exit;;
esac
while [ $# -gt 1 ]; do
  case $1 in
  --images-dir) images=$2;; --work-dir) work=$2;; --prev-images-dir) parent=$2;;
  --freeze-cgroup) id=${2##*/}; group=$2;; --tree) root=$2;;
  esac
  shift
done
cd "$directory"
pre=yes
echo "(00.000001) Version: 4.2.1" > "$work/dump.log"
. ./states
grep -q ":.*$id\$" "/proc/$root/cgroup" || exit 7
is_frozen "$group" || exit 8
set_state "$group" THAWED 0
read() { :; }
write() { :; }
. ./act
read
set_state "$group" FROZEN 1
write
echo inventory > "$images/inventory.img"
echo "pages of $id" > "$images/pages-1.img"
`

// states are shell functions: frozen says if all containers of the test are frozen.
const states = `is_frozen() {
  [ -f "$1/freezer.state" ] && state=$(cat "$1/freezer.state") || state=$(grep frozen "$1/cgroup.events")
  case $state in FROZEN | "frozen 1") ;; *) return 1;; esac
}
set_state() { [ -f "$1/freezer.state" ] && echo $2 > "$1/freezer.state" || echo $3 > "$1/cgroup.freeze"; }
frozen() { for each in $(cat groups); do is_frozen "$each" || return 1; done; }
freeze() { for each in $(cat groups); do set_state "$each" FROZEN 1; done; }
`

// runs adds a process of this program to the container app, 0, or sidecar, 1, and returns it.
func (f fixture) runs(t *testing.T, container int, argument string) int {
	t.Helper()
	command := exec.Command("/proc/self/exe", argument)
	output, err := command.StdoutPipe()
	must(t, err, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	_, err = output.Read(make([]byte, 1))
	must(t, err, os.WriteFile(f.groups[container].Path+"/cgroup.procs", fmt.Append(nil, command.Process.Pid), 0))
	return command.Process.Pid
}

// grow adds a process with ballast to the container app, 0, or sidecar, 1.
func (f fixture) grow(t *testing.T, container int) {
	t.Helper()
	f.runs(t, container, ballastCommand)
	must(t, os.WriteFile(f.dir+"/groups", []byte(f.groups[0].Path+" "+f.groups[1].Path), 0o600))
}

// runLarge calls a test with a pod whose container app is large, on a node that tracks memory.
func runLarge(t *testing.T, act string, test func(t *testing.T, f fixture)) {
	run(t, ". ./states\n"+act, func(t *testing.T, f fixture) {
		f.grow(t, 0)
		must(t, os.WriteFile(f.dir+"/tracks", nil, 0o600))
		test(t, f)
	})
}

// verified compares the files of a checkpoint with its metadata.
func verified(root *os.Root, c *checkpoint.Checkpoint) error {
	for name, want := range c.Paths() {
		stored, err := checkpoint.ArchiveOf(root, name)
		if err != nil || stored != want {
			return fmt.Errorf("%s: got %v, want %v: %w", name, stored, want, err)
		}
	}
	return c.Verify(root)
}

// take takes a checkpoint, and checks that it is whole and that all containers run.
func (f fixture) take(t *testing.T) *Result {
	t.Helper()
	result, err := Take(context.Background(), f.node, f.request)
	must(t, err)
	for _, each := range f.groups {
		each.Counts(t)
	}
	root, err := os.OpenRoot(result.Directory)
	must(t, err)
	defer root.Close()
	c, err := checkpoint.Read(root)
	must(t, err, verified(root, c))
	if names, _ := os.ReadDir(string(f.node.Journal)); len(names) > 0 {
		t.Errorf("the journal has %v", names)
	}
	return result
}

// pathsOf returns the files of the container app.
func pathsOf(c *checkpoint.Checkpoint) []string {
	paths := []string{}
	for _, each := range c.Containers[0].Files {
		paths = append(paths, each.Path)
	}
	return paths
}

var whole = []string{"images/inventory.img", "images/pages-1.img", "rootfs.tar"}

func TestTakeDumpsOfLargeContainersOnlyWhatChangedSinceAPreDump(t *testing.T) {
	runLarge(t, `echo "${id##*-} $pre $parent" >> runs
[ "$pre" ] || { sleep 0.1; frozen || exit 9; }
`, func(t *testing.T, f fixture) {
		c := f.take(t).Checkpoint
		want := []string{"images/inventory.img", "images/pages-1.img", "images/parent/inventory.img", "images/parent/pages-1.img", "rootfs.tar"}
		if !slices.Equal(pathsOf(c), want) {
			t.Errorf("got %v", pathsOf(c))
		}
		text, err := os.ReadFile(f.dir + "/runs")
		must(t, err)
		runs := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		slices.Sort(runs)
		if !slices.Equal(runs, []string{"app  parent", "app yes ", "sidecar  "}) {
			t.Errorf("CRIU ran for %q", runs)
		}
		dedups, _ := os.ReadFile(f.dir + "/dedups")
		if !strings.HasSuffix(strings.TrimSpace(string(dedups)), "/containers/app/images") || strings.Contains(string(dedups), "sidecar") {
			t.Errorf("superseded pages were removed from %q", dedups)
		}
	})
}

func TestAContainerRunsWhileCRIUWritesWhatItReadInAPreDump(t *testing.T) {
	runLarge(t, `read() { sleep 0.2; }
write() { for try in $(seq 1000); do is_frozen "$group" || { sleep 1; return; }; sleep 0.01; done; exit 9; }
`, func(t *testing.T, f fixture) {
		result := f.take(t)
		c := result.Checkpoint
		if c.PreDump.Passes != 1 || c.PreDump.Reason != "" {
			t.Fatalf("got %+v", c.PreDump)
		}
		// It stands still while its memory is read, and not in the second in which CRIU writes.
		if spent := c.PreDump.FrozenNanoseconds; spent < 2e8 || spent > result.Timings.PreDump-1e9 || c.FrozenNanoseconds <= spent {
			t.Errorf("frozen for %d ns of %d ns, and %d ns in all", spent, result.Timings.PreDump, c.FrozenNanoseconds)
		}
	})
}

func TestAContainerIsThawedIfCRIULeavesItFrozenAfterAPreDump(t *testing.T) {
	// It ends at once: it can thaw and freeze again between two reads of the state.
	runLarge(t, "", func(t *testing.T, f fixture) {
		for range 5 {
			if c := f.take(t).Checkpoint; c.PreDump.Passes != 1 || c.PreDump.FrozenNanoseconds <= 0 {
				t.Errorf("got %+v", c.PreDump)
			}
			must(t, os.RemoveAll(f.node.Checkpoints+"/cp"))
		}
	})
}

func TestAPreDumpStopsNoProcessWithinVfork(t *testing.T) {
	runLarge(t, `touch ran
`, func(t *testing.T, f fixture) {
		child := f.groups[0].HoldWithinVfork(t, f.runs(t, 0, startsCommand))
		failure := f.fails(t, ReasonNotPossible, fmt.Sprintf("process %d ", child))
		if failure.Container != "app" {
			t.Errorf("got %+v", failure)
		}
		if _, err := os.Stat(f.dir + "/ran"); err == nil {
			t.Error("CRIU ran for a container with a process within vfork")
		}
	})
}

func TestAPassFollowsWhileMuchMemoryChanged(t *testing.T) {
	original := changed
	t.Cleanup(func() { changed = original })
	changed = func(pod.Container) (int64, error) { return preDumpBytes, nil }
	runLarge(t, "echo \"$pre $parent\" >> runs; [ ! \"$pre\" ] || echo $(wc -l < runs) > \"$images/order\"\n", func(t *testing.T, f fixture) {
		f.request.Containers = []ContainerRequest{{"app", ""}}
		// Half of it changed: a pass that does not shrink does not pay.
		c := f.take(t).Checkpoint
		if c.PreDump.Passes != 1 {
			t.Errorf("got %+v", c.PreDump)
		}
		must(t, os.RemoveAll(f.node.Checkpoints+"/cp"), os.Remove(f.dir+"/runs"))
		f.grow(t, 0)
		c = f.take(t).Checkpoint
		if c.PreDump.Passes != 2 || c.PreDump.FrozenNanoseconds <= 0 {
			t.Errorf("got %+v", c.PreDump)
		}
		runs, err := os.ReadFile(f.dir + "/runs")
		if err != nil || string(runs) != "yes \nyes parent\n parent\n" {
			t.Errorf("CRIU ran for %q, %v", runs, err)
		}
		// The first pass is the parent of the second one.
		for name, want := range map[string]string{"parent": "2\n", "parent/parent": "1\n"} {
			order, err := os.ReadFile(filepath.Join(f.node.Checkpoints, "cp/containers/app/images", name, "order"))
			if err != nil || string(order) != want {
				t.Errorf("%s is of pass %q, %v", name, order, err)
			}
		}
	})
}

func TestTakeDumpsAllMemoryAfterAFailedPreDump(t *testing.T) {
	for name, act := range map[string]string{
		"PreDumpFailed sk-inet.c:137: inet": `[ ! "$pre" ] || { freeze; echo "(00.1) Error (criu/sk-inet.c:137): inet: no" >> "$work/dump.log"; touch "$images/pages-1.img"; exit 1; }
`,
		// CRIU hangs after it froze the containers.
		"PreDumpFailed exceeded its time limit": `[ ! "$pre" ] || { freeze; sleep 1000; }
`,
		"PreDumpFailed the watchdog ended": `[ ! "$pre" ] || { for each in /proc/[0-9]*; do
  grep -qz "^watchdog$" $each/cmdline 2>/dev/null && grep -q "^PPid:.$PPID$" $each/status && kill -9 ${each#/proc/}
done; sleep 0.3; }
`,
	} {
		reason, message, _ := strings.Cut(name, " ")
		runLarge(t, act+`[ "$pre" ] || { frozen && [ ! "$parent" ] || exit 9; }
`, func(t *testing.T, f fixture) {
			if strings.Contains(message, "time limit") {
				f.request.FreezeMilliseconds = 4000
			}
			c := f.take(t).Checkpoint
			if c.PreDump.Passes != 0 || c.PreDump.Reason != reason || !strings.Contains(c.PreDump.Message, message) {
				t.Errorf("%s: got %+v", name, c.PreDump)
			}
			if !slices.Equal(pathsOf(c), whole) {
				t.Errorf("%s: got %v", name, pathsOf(c))
			}
			// What the processes may have stood still counts all the same.
			if c.PreDump.FrozenNanoseconds <= 0 || c.FrozenNanoseconds <= c.PreDump.FrozenNanoseconds {
				t.Errorf("%s: %+v, %d ns in all", name, c.PreDump, c.FrozenNanoseconds)
			}
		})
	}
}

func TestNoPassCountsAfterAFailedSecondOne(t *testing.T) {
	original := changed
	t.Cleanup(func() { changed = original })
	changed = func(pod.Container) (int64, error) { return preDumpBytes, nil }
	runLarge(t, `echo "$pre $parent" >> runs; [ ! "$pre" ] || [ ! "$parent" ] || exit 1
`, func(t *testing.T, f fixture) {
		f.request.Containers = []ContainerRequest{{"app", ""}}
		f.grow(t, 0)
		c := f.take(t).Checkpoint
		if c.PreDump.Passes != 0 || c.PreDump.Reason != reasonPreDump || !slices.Equal(pathsOf(c), whole) {
			t.Errorf("got %+v, %v", c.PreDump, pathsOf(c))
		}
		runs, err := os.ReadFile(f.dir + "/runs")
		if err != nil || string(runs) != "yes \nyes parent\n \n" {
			t.Errorf("CRIU ran for %q, %v", runs, err)
		}
	})
}

func TestAFailedPreDumpLeavesThoseOfOtherContainers(t *testing.T) {
	runLarge(t, `case "$pre $id" in yes*-sidecar) exit 1;; esac
`, func(t *testing.T, f fixture) {
		f.grow(t, 1)
		c := f.take(t).Checkpoint
		if c.PreDump.Passes != 1 || c.PreDump.Reason != reasonPreDump || slices.Equal(pathsOf(c), whole) {
			t.Errorf("got %+v, %v", c.PreDump, pathsOf(c))
		}
		if len(c.Containers[1].Files) != len(whole) {
			t.Errorf("got %v", c.Containers[1].Files)
		}
	})
}

func TestTakeSaysWhyThereWasNoPreDump(t *testing.T) {
	runLarge(t, `[ ! "$pre" ] || exit 9
`, func(t *testing.T, f fixture) {
		good := f.request
		for reason, change := range map[string]func(){
			reasonOff:          func() { f.request.PreDump = PreDumpOff },
			reasonPreDumpQuota: func() { f.request.MaxBytes = preDumpBytes * 2 },
			reasonSmall:        func() { f.request.Containers = []ContainerRequest{{"sidecar", ""}} },
			reasonNotTracked:   func() { must(t, os.Remove(f.dir+"/tracks")) },
		} {
			f.request = good
			must(t, os.WriteFile(f.dir+"/tracks", nil, 0o600))
			change()
			c := f.take(t).Checkpoint
			if c.PreDump.Passes != 0 || c.PreDump.Reason != reason || c.PreDump.Message == "" {
				t.Errorf("%s: got %+v", reason, c.PreDump)
			}
			must(t, os.RemoveAll(f.node.Checkpoints+"/cp"))
		}
		free, err := freeBytes(f.node.Checkpoints)
		must(t, err)
		// Room for the memory once, not twice.
		f.request = good
		f.request.ReserveBytes = free - preDumpBytes*7/4
		must(t, os.WriteFile(f.dir+"/tracks", nil, 0o600))
		if c := f.take(t).Checkpoint; c.PreDump.Reason != reasonPreDumpSpace {
			t.Errorf("got %+v", c.PreDump)
		}
	})
}

func TestTakeLetsAPreDumpEndWhenTheServiceStops(t *testing.T) {
	runLarge(t, `[ "$pre" ] || exit 9
freeze; touch begun; until [ -e stopped ]; do sleep 0.01; done; sleep 0.1; touch ended
`, func(t *testing.T, f fixture) {
		f.stopsService(t)
	})
}

func TestChangedCountsWrittenPagesThatAreInMemory(t *testing.T) {
	dir := t.TempDir()
	size := os.Getpagesize()
	maps := fmt.Sprintf("%x-%x rw-p 00000000 00:00 0\n%x-%x r--p 00000000 00:00 0 /lib\nffffffffff600000-ffffffffff601000 -w-p 00000000 00:00 0\n",
		2*size, 6*size, 8*size, 9*size)
	entries := []uint64{0, 0, softDirty | present, softDirty | swapped, present, softDirty, 0, 0, softDirty | present}
	pages := []byte{}
	for _, each := range entries {
		pages = binary.LittleEndian.AppendUint64(pages, each)
	}
	must(t, os.WriteFile(dir+"/maps", []byte(maps), 0o600), os.WriteFile(dir+"/pagemap", pages, 0o600))
	left := uint64(4)
	if got, err := changedOf(dir, &left); err != nil || got != int64(2*size) || left != 0 {
		t.Errorf("got %d, %v; %d left", got, err, left)
	}
	left = 3
	if _, err := changedOf(dir, &left); !errors.Is(err, errMapped) {
		t.Errorf("got %v", err)
	}
	must(t, os.WriteFile(dir+"/maps", []byte("nonsense\n"), 0o600))
	if _, err := changedOf(dir, &left); err == nil {
		t.Error("invalid maps are accepted")
	}
}
