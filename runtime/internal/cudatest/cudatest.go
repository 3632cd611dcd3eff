// Package cudatest has stand-ins for NVIDIA's cuda-checkpoint and for a process that uses a GPU.
package cudatest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"cedana.ai/cdk/runtime/internal/proc"
)

// script has the states and errors of cuda-checkpoint 580.159.04. A test puts shell commands into the file `act`, which run before
// each action with its name in $action. Like the real one, it does not answer for the state of a frozen process.
const script = `#!/bin/sh
cd "$(dirname "$0")"
for last; do :; done; pid=$last
[ -f "states/$pid" ] || { echo "Could not find restore thread for process ID $pid"; exit 1; }
frozen() {
  for each in $(cat groups 2> /dev/null); do
    grep -qx "$pid" "$each/cgroup.procs" || continue
    [ -f "$each/freezer.state" ] && grep -q FROZEN "$each/freezer.state" && return 0
    [ -f "$each/cgroup.events" ] && grep -q 'frozen 1' "$each/cgroup.events" && return 0
  done
  return 1
}
opens() { ls -l "/proc/$pid/fd" | grep -q /dev/nvidia; }
case $1 in --get-restore-tid) echo "$pid"; exit;; esac
while frozen; do sleep 0.01; done
state=$(cat "states/$pid")
case $1 in --get-state) echo "$state"; exit;; esac
action=$2
echo "$action" >> actions
[ ! -f act ] || . ./act
case $state/$action in
  running/lock) next=locked;;
  locked/checkpoint) next=checkpointed; kill -USR1 "$pid"; while opens; do sleep 0.002; done;;
  checkpointed/restore) next=locked; kill -USR2 "$pid"; until opens; do sleep 0.002; done;;
  locked/unlock) next=running;;
  *) echo "Could not $action on process ID $pid: \"the operation cannot be performed in the present state\""; exit 1;;
esac
echo $next > "states/$pid"
`

// holder is a process that has a device open until cuda-checkpoint takes it off. Its child, which ends with it, has not. The shell
// only waits: a command without the device would let it move its own descriptor for a moment.
const holder = `while kill -0 $$ 2> /dev/null; do sleep 0.02; done &
exec 3< "$1"; trap 'exec 3<&-' USR1; trap 'exec 3< "$1"' USR2
echo running > "$0/states/$$"; while :; do wait; done`

// Node is a node with a GPU.
type Node struct {
	directory string
	device    string
}

// Install puts the stand-in for cuda-checkpoint first in PATH, and creates a device. The test's end removes both. Without the
// permission for a device it skips the test.
func Install(t *testing.T, groups ...string) *Node {
	t.Helper()
	n := &Node{t.TempDir(), fmt.Sprintf("/dev/nvidia-test-%d", os.Getpid())}
	if err := os.WriteFile(n.device, nil, 0o600); err != nil {
		t.Skipf("cannot create a file in /dev: %v", err)
	}
	t.Cleanup(func() { _ = os.Remove(n.device) })
	n.write(t, "cuda-checkpoint", script, 0o700)
	n.Within(t, groups...)
	if err := os.Mkdir(filepath.Join(n.directory, "states"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", n.directory+":"+os.Getenv("PATH"))
	return n
}

func (n *Node) write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(n.directory, name), []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// Within names the cgroups in which processes can be frozen.
func (n *Node) Within(t *testing.T, groups ...string) {
	n.write(t, "groups", strings.Join(groups, "\n"), 0o600)
}

// Act sets what each action does before its work.
func (n *Node) Act(t *testing.T, commands string) { n.write(t, "act", commands, 0o600) }

// Touch creates an empty file in the directory in which the commands of Act run.
func (n *Node) Touch(t *testing.T, name string) { n.write(t, name, "", 0o600) }

// Has says if that directory has a file.
func (n *Node) Has(name string) bool {
	_, err := os.Stat(filepath.Join(n.directory, name))
	return err == nil
}

// Command returns the command of a process that uses the GPU. Call Begun after its start.
func (n *Node) Command() *exec.Cmd {
	return exec.Command("/bin/sh", "-c", holder, n.directory, n.device)
}

// Begun waits until a process uses the GPU.
func (n *Node) Begun(t *testing.T, pid int) {
	t.Helper()
	for range 2000 {
		if n.State(pid) == "running" {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("process %d does not use the GPU", pid)
}

// Monitor returns the command of a process that has the device open without CUDA.
func (n *Node) Monitor() *exec.Cmd {
	return exec.Command("/bin/sh", "-c", `exec sleep 1000 3< "$0"`, n.device)
}

// State returns the state of a process: running, locked, checkpointed; empty for one without CUDA.
func (n *Node) State(pid int) string {
	text, _ := os.ReadFile(n.Path(pid))
	return strings.TrimSpace(string(text))
}

// Path returns the file with the state of a process.
func (n *Node) Path(pid int) string { return filepath.Join(n.directory, "states", strconv.Itoa(pid)) }

// Set sets the state of a process, as that of one that was restored.
func (n *Node) Set(t *testing.T, pid int, state string) {
	n.write(t, "states/"+strconv.Itoa(pid), state+"\n", 0o600)
}

// Actions returns the actions since the start, in their order.
func (n *Node) Actions(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(n.directory, "actions"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(text)), " ")
}

// Start returns the time of the start of a process.
func Start(t *testing.T, pid int) uint64 {
	t.Helper()
	stat, err := proc.ReadStat(pid)
	if err != nil {
		t.Fatal(err)
	}
	return stat.Start
}
