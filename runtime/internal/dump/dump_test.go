package dump

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/freezer"
	"cedana.ai/cdk/runtime/internal/freezertest"
	"cedana.ai/cdk/runtime/internal/guard"
	"cedana.ai/cdk/runtime/internal/pod"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// TestMain runs this program as the watchdog of a test.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == ballastCommand {
		ballast()
	}
	if len(os.Args) > 1 && os.Args[1] == startsCommand {
		starts()
	}
	if len(os.Args) > 1 && os.Args[1] == guard.WatchdogCommand {
		os.Exit(guard.Watchdog(os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

// fixture is a pod of two containers, whose processes are in real cgroups, with files as containerd and runc write them.
type fixture struct {
	node    *Node
	groups  []freezertest.Group
	request Request
	dir     string
}

// runc is a stand-in for runc. A test puts shell commands into the file `act`, which run with the container's ID in $id, also in
// the stand-in for CRIU: in a pre-dump $pre is yes. $parent is the directory of the parent, if there is one.
const runc = `#!/bin/sh
case $1 in --version) echo "runc version 1.3.6"; exit;; esac
for last; do :; done; id=$last
while [ $# -gt 1 ]; do
  case $1 in --image-path) images=$2;; --work-path) work=$2;; --parent-path) parent=$2;; esac
  shift
done
cd "$(dirname "$0")"
cat "$CRIU_CONFIG_FILE" > config
echo "(00.000001) Version: 4.2.1" > "$work/dump.log"
. ./act
echo inventory > "$images/inventory.img"
echo "pages of $id" > "$images/pages-1.img"
`

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func newFixture(t *testing.T, version, parent, act string) fixture {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Mkdir(dir+"/bundles", 0o700), os.Mkdir(dir+"/checkpoints", 0o700), os.Mkdir(dir+"/overlay", 0o700))
	must(t, unix.Mount("tmpfs", dir+"/overlay", "tmpfs", 0, ""))
	t.Cleanup(func() { _ = unix.Unmount(dir+"/overlay", unix.MNT_DETACH) })
	must(t, os.WriteFile(dir+"/runc", []byte(runc), 0o700), os.WriteFile(dir+"/act", []byte(act), 0o600))
	must(t, os.WriteFile(dir+"/criu", []byte(criuStandIn), 0o700), os.WriteFile(dir+"/states", []byte(states), 0o600))
	f := fixture{dir: dir, request: Request{UID: "cp", PodUID: "pod-uid"}, node: &Node{
		Paths: pod.Paths{Bundles: dir + "/bundles", Runtime: dir + "/state"}, Runtime: dir + "/runc", CRIU: dir + "/criu",
		Checkpoints: dir + "/checkpoints", Journal: guard.Journal(dir + "/journal"),
		Watchdog: []string{"/proc/self/exe", guard.WatchdogCommand},
	}}
	volume := dir + "/kubelet/pods/pod-uid/" + checkpoint.EmptyDirs + "/data"
	must(t, os.MkdirAll(volume, 0o700), os.WriteFile(volume+"/file", []byte("content"), 0o600))
	for _, name := range []string{"app", "sidecar", "sandbox"} {
		id := fmt.Sprintf("dump-test-%d-%s", os.Getpid(), name)
		group := freezertest.New(t, version, parent, id)
		f.add(t, id, name, group, volume)
		if name != "sandbox" {
			f.groups = append(f.groups, group)
		}
	}
	must(t, f.request.Normalize())
	return f
}

func (f fixture) add(t *testing.T, id, name string, group freezertest.Group, volume string) {
	t.Helper()
	bundle, state := filepath.Join(f.node.Paths.Bundles, id), filepath.Join(f.node.Paths.Runtime, id)
	rootfs, layers := bundle+"/rootfs", f.dir+"/overlay/"+name
	must(t, os.MkdirAll(rootfs, 0o700), os.MkdirAll(state, 0o700))
	for _, each := range []string{"lower", "upper", "work"} {
		must(t, os.MkdirAll(layers+"/"+each, 0o755))
	}
	options := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", layers)
	if err := unix.Mount("overlay", rootfs, "overlay", 0, options); err != nil {
		t.Skipf("cannot mount an overlay: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(rootfs, unix.MNT_DETACH) })
	must(t, os.WriteFile(rootfs+"/changed", []byte(name), 0o600), os.Mkdir(rootfs+"/cr-tmpfs.a1B2c3", 0o700))
	kind := "container"
	if name == "sandbox" {
		kind = "sandbox"
	}
	spec := specs.Spec{
		Process: &specs.Process{}, Root: &specs.Root{Path: "rootfs"}, Hostname: "web-0",
		Mounts: []specs.Mount{{Destination: "/data", Type: "bind", Source: volume}},
		Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{
			{Type: specs.NetworkNamespace}, {Type: specs.IPCNamespace}, {Type: specs.PIDNamespace},
		}},
		Annotations: map[string]string{
			"io.kubernetes.cri.container-type": kind, "io.kubernetes.cri.container-name": name,
			"io.kubernetes.cri.sandbox-uid": "pod-uid", "io.kubernetes.cri.sandbox-namespace": "shop",
			"io.kubernetes.cri.sandbox-name": "web",
		},
	}
	config, err := json.Marshal(spec)
	must(t, err)
	cgroups := map[string]string{"": group.Path}
	if group.Version == freezer.V1 {
		cgroups = map[string]string{"freezer": group.Path, "": "/sys/fs/cgroup/unified/other"}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", group.PID))
	must(t, err)
	start, err := strconv.ParseUint(strings.Fields(string(stat))[21], 10, 64)
	must(t, err)
	text, err := json.Marshal(map[string]any{"init_process_pid": group.PID, "init_process_start": start, "cgroup_paths": cgroups, "more": 1})
	must(t, err, os.WriteFile(bundle+"/config.json", config, 0o600), os.WriteFile(state+"/state.json", text, 0o600))
}

// run calls a test with a pod in each hierarchy of this machine.
func run(t *testing.T, act string, test func(t *testing.T, f fixture)) {
	for version, parent := range freezertest.Hierarchies(t) {
		t.Run(version, func(t *testing.T) { test(t, newFixture(t, version, parent, act)) })
	}
}

// clean checks that the processes run, and that nothing of a failed checkpoint is left.
func (f fixture) clean(t *testing.T) {
	t.Helper()
	for _, each := range f.groups {
		each.Counts(t)
		if freezing, err := each.Freezing(); freezing || err != nil {
			t.Errorf("%s: frozen %v, %v", each.Path, freezing, err)
		}
	}
	for _, directory := range []string{f.node.Checkpoints, string(f.node.Journal)} {
		if names, _ := os.ReadDir(directory); len(names) > 0 {
			t.Errorf("%s holds %v", directory, names)
		}
	}
}

// fails takes a checkpoint that must fail for a reason, with a text in its message.
func (f fixture) fails(t *testing.T, reason, text string) *Error {
	t.Helper()
	return f.failsIn(t, context.Background(), reason, text)
}

func (f fixture) failsIn(t *testing.T, ctx context.Context, reason, text string) *Error {
	t.Helper()
	_, err := Take(ctx, f.node, f.request)
	var failure *Error
	if !errors.As(err, &failure) || failure.Reason != reason || !strings.Contains(err.Error(), text) {
		t.Fatalf("got %#v: %v, want %s with %q", failure, err, reason, text)
	}
	f.clean(t)
	return failure
}

func TestTakeWritesACheckpointOfFrozenContainers(t *testing.T) {
	// The stand-in dumps only if all containers are frozen.
	// No plugin of CRIU may thaw them.
	act := `[ -z "$(ls -A "$CRIU_LIBS_DIR" || echo missing)" ] || exit 8
for each in $(cat groups); do
  [ -f "$each/freezer.state" ] && state=$(cat "$each/freezer.state") || state=$(grep frozen "$each/cgroup.events")
  case $state in FROZEN | "frozen 1") ;; *) exit 9;; esac
done`
	run(t, act, func(t *testing.T, f fixture) {
		must(t, os.WriteFile(f.dir+"/groups", []byte(f.groups[0].Path+" "+f.groups[1].Path), 0o600))
		f.request.Containers = []ContainerRequest{{"sidecar", "sha256:" + strings.Repeat("a", 64)}, {"app", ""}}
		result, err := Take(context.Background(), f.node, f.request)
		must(t, err)
		for _, each := range f.groups {
			each.Counts(t)
		}
		root, err := os.OpenRoot(f.node.Checkpoints + "/cp")
		must(t, err)
		defer root.Close()
		c, err := checkpoint.Read(root)
		must(t, err, verified(root, c))
		if c.FrozenNanoseconds <= 0 || c.FrozenNanoseconds != result.Checkpoint.FrozenNanoseconds {
			t.Errorf("frozen for %d ns", c.FrozenNanoseconds)
		}
		if c.Hostname != "web-0" || c.Pod.Name != "web" || c.Node.Cgroup != f.groups[0].Version || c.Containers[1].Image == "" {
			t.Errorf("got %+v", c)
		}
		if len(c.Containers) != 2 || c.Containers[0].Mounts[0].Volume != "data" || len(c.Volumes) != 1 || c.SharedMemory != nil {
			t.Errorf("got %+v", c)
		}
		list, err := exec.Command("tar", "-tf", f.node.Checkpoints+"/cp/containers/app/rootfs.tar").Output()
		if err != nil || string(list) != "./\nchanged\n" {
			t.Errorf("the root file system has %q, %v", list, err)
		}
		if names, _ := os.ReadDir(string(f.node.Journal)); len(names) > 0 {
			t.Errorf("the journal has %v", names)
		}
		config, err := os.ReadFile(f.dir + "/config")
		if err != nil || !slices.Contains(strings.Split(string(config), "\n"), "tcp-close") {
			t.Errorf("CRIU's configuration is %q, %v", config, err)
		}
	})
}

func TestTakeReportsTheFirstErrorOfCRIU(t *testing.T) {
	act := `case $id in *-app) until [ -e begun ]; do sleep 0.01; done; echo "(00.1) Error (criu/sk-inet.c:137): inet: Unsupported proto 262" >> "$work/dump.log"; touch failed; exit 1;;
*) touch begun; until [ -e failed ]; do sleep 0.01; done; sleep 0.1; touch ended;; esac`
	run(t, act, func(t *testing.T, f fixture) {
		failure := f.fails(t, ReasonDump, "sk-inet.c:137: inet: Unsupported proto 262")
		if failure.Container != "app" || !strings.Contains(failure.Remedy, "multipathtcp=0") {
			t.Errorf("got %+v", failure)
		}
		// A process could crash if CRIU was killed while its code is in it.
		if _, err := os.Stat(f.dir + "/ended"); err != nil {
			t.Errorf("the CRIU of the other container was killed: %v", err)
		}
	})
}

// stopsService stops the service when the fake runc has made the file begun, and checks that it could make the file ended.
func (f fixture) stopsService(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		for _, err := os.Stat(f.dir + "/begun"); err != nil; _, err = os.Stat(f.dir + "/begun") {
			time.Sleep(time.Millisecond)
		}
		cancel(&Error{Reason: ReasonInterrupted, Err: errors.New("the service stops")})
		_ = os.WriteFile(f.dir+"/stopped", nil, 0o600)
	}()
	f.failsIn(t, ctx, ReasonInterrupted, "the service stops")
	if _, err := os.Stat(f.dir + "/ended"); err != nil {
		t.Errorf("CRIU was killed: %v", err)
	}
}

func TestAProcessWithinVforkIsReportedWithItsContainerAndARemedy(t *testing.T) {
	one, two := freezer.Cgroup{Version: freezer.V2, Path: "/sys/fs/cgroup/one"}, freezer.Cgroup{Version: freezer.V2, Path: "/sys/fs/cgroup/two"}
	j := &job{containers: []pod.Container{{Name: "one", Cgroup: one}, {Name: "two", Cgroup: two}}}
	var failure *Error
	err := j.freezeError(errors.Join(&freezer.SharedMemoryError{Cgroup: two, PID: 12, Parent: 11, Name: "sh"}))
	if !errors.As(err, &failure) || failure.Reason != ReasonNotPossible || failure.Container != "two" || !strings.Contains(failure.Remedy, "fork") {
		t.Errorf("got %#v", err)
	}
	if want := "container two: process 12 (sh) was created by vfork and has not started a program"; err.Error() != want {
		t.Errorf("got %q", err)
	}
	if err := j.freezeError(context.Canceled); !errors.As(err, &failure) || failure.Reason != ReasonFreeze || failure.Container != "" {
		t.Errorf("got %#v", err)
	}
}

func TestTakeLetsCRIUEndWhenTheServiceStops(t *testing.T) {
	run(t, "touch begun; until [ -e stopped ]; do sleep 0.01; done; sleep 0.1; echo ended >> ended", func(t *testing.T, f fixture) {
		f.stopsService(t)
	})
}

func TestTakeThawsAtTheDeadline(t *testing.T) {
	// A child without an environment freezes the containers again, as CRIU does.
	run(t, `env -i /bin/sh -c 'while :; do
  for root in /sys/fs/cgroup /sys/fs/cgroup/unified; do [ -f $root/$0/cgroup.freeze ] && echo 1 > $root/$0/cgroup.freeze; done
  [ -f /sys/fs/cgroup/freezer/$0/freezer.state ] && echo FROZEN > /sys/fs/cgroup/freezer/$0/freezer.state
  /bin/sleep 0.01
done' $id & wait`, func(t *testing.T, f fixture) {
		f.request.FreezeMilliseconds = 300
		f.fails(t, ReasonDeadline, "frozen for 300ms")
	})
}

func TestTakeThawsWhenTheWatchdogIsKilled(t *testing.T) {
	// The watchdog is a child of this program, as the runtime is.
	act := `for each in /proc/[0-9]*; do
  grep -qz "^watchdog$" $each/cmdline 2>/dev/null && grep -q "^PPid:.$PPID$" $each/status && kill -9 ${each#/proc/}
done; sleep 0.5; touch ended`
	run(t, act, func(t *testing.T, f fixture) {
		f.fails(t, ReasonInterrupted, "the watchdog ended")
		if _, err := os.Stat(f.dir + "/ended"); err != nil {
			t.Errorf("CRIU was killed: %v", err)
		}
	})
}

func TestTakeIsGivenUpIfAContainerWasThawed(t *testing.T) {
	run(t, `[ -f /sys/fs/cgroup/freezer/$id/freezer.state ] && echo THAWED > /sys/fs/cgroup/freezer/$id/freezer.state
for root in /sys/fs/cgroup/unified /sys/fs/cgroup; do [ -f $root/$id/cgroup.freeze ] && echo 0 > $root/$id/cgroup.freeze; done; :`,
		func(t *testing.T, f fixture) { f.fails(t, ReasonInterrupted, "was thawed") })
}

func TestTakeStopsProcessesOnlyAfterTheCheckpointIsWritten(t *testing.T) {
	run(t, ":", func(t *testing.T, f fixture) {
		f.request.Stop = true
		counted := []int{}
		result, err := Take(context.Background(), f.node, f.request)
		must(t, err)
		for _, each := range f.groups {
			<-each.Ended()
			counted = append(counted, each.Size())
		}
		if _, err := os.Stat(result.Directory + "/checkpoint.json"); err != nil {
			t.Error(err)
		}
		time.Sleep(30 * time.Millisecond)
		for i, each := range f.groups {
			if each.Size() != counted[i] {
				t.Error("a process of the container still runs")
			}
		}
	})
	run(t, "exit 1", func(t *testing.T, f fixture) {
		f.request.Stop = true
		f.fails(t, ReasonDump, "exit status 1")
	})
}

func TestTakeDoesNotStopProcessesThatRanOnAfterTheDump(t *testing.T) {
	// The checksum of this file takes long enough for others to thaw a container meanwhile, as the watchdog after its limit.
	run(t, `truncate -s 2G "$images/pages-2.img"`, func(t *testing.T, f fixture) {
		f.request.Stop = true
		go func() {
			work := filepath.Join(f.node.Checkpoints, WorkPrefix+"cp", "work")
			for _, wanted := range []bool{true, false} {
				for found := !wanted; found != wanted; time.Sleep(time.Millisecond) {
					_, err := os.Stat(work)
					found = err == nil
				}
			}
			_ = freezer.Thaw(context.Background(), []freezer.Cgroup{f.groups[1].Cgroup})
		}()
		f.fails(t, ReasonInterrupted, "was thawed")
	})
}

func TestTakeRefusesBeforeTheFreeze(t *testing.T) {
	run(t, "exit 99", func(t *testing.T, f fixture) {
		good := f.request
		f.request.ReserveBytes = 1 << 60
		f.fails(t, ReasonNoSpace, "free")
		f.request = good
		f.request.MaxBytes = 4096
		f.fails(t, ReasonQuota, "bytes of memory, more than the limit of 4096")
		if f.groups[0].Size() == 0 {
			t.Error("the process of the container never ran")
		}
		f.request = good
		f.request.PodUID = "other"
		f.fails(t, ReasonNotFound, "no container")
		f.request = good
		f.request.Containers = []ContainerRequest{{"missing", ""}}
		f.fails(t, ReasonNotFound, "missing")
		f.request = good
		must(t, freezer.Freeze(context.Background(), []freezer.Cgroup{f.groups[1].Cgroup}))
		_, err := Take(context.Background(), f.node, f.request)
		if err == nil || !strings.Contains(err.Error(), "paused") {
			t.Errorf("got %v", err)
		}
		f.groups[1].Stands(t)
		must(t, freezer.Thaw(context.Background(), []freezer.Cgroup{f.groups[1].Cgroup}))
	})
	run(t, ":", func(t *testing.T, f fixture) {
		// The memory is within the limit, the files are not.
		f.request.MaxBytes = 256 << 20
		must(t, os.Truncate(filepath.Join(f.dir, "overlay/app/upper/changed"), 1<<30))
		f.fails(t, ReasonQuota, "exceeds the limit")
	})
}

func TestNormalizeChecksTheRequest(t *testing.T) {
	for text, change := range map[string]func(*Request){
		"uid":       func(r *Request) { r.UID = "../x" },
		"podUID":    func(r *Request) { r.PodUID = "" },
		"tcp":       func(r *Request) { r.TCP = "keep" },
		"container": func(r *Request) { r.Containers = []ContainerRequest{{"a/b", ""}} },
		"twice":     func(r *Request) { r.Containers = []ContainerRequest{{"a", ""}, {"a", ""}} },
		"freeze":    func(r *Request) { r.FreezeMilliseconds = -1 },
		"negative":  func(r *Request) { r.MaxBytes = -1 },
	} {
		r := Request{UID: "a", PodUID: "b"}
		change(&r)
		if err := r.Normalize(); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

func TestCPUFeaturesAreThoseOfAllProcessors(t *testing.T) {
	got := cpuFeatures("flags\t\t: sse avx fpu\nbogomips : 1\nflags : fpu sse\n")
	if !slices.Equal(got, []string{"fpu", "sse"}) {
		t.Errorf("got %v", got)
	}
}
