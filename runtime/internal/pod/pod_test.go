package pod

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/freezer"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// mountinfo has the mounts of two bundles as containerd 2.1 makes them, and one with escapes.
const mountinfo = `70 44 0:40 / / rw,relatime shared:3 - overlay overlay rw,lowerdir=/a,upperdir=/node/upper,workdir=/w,uuid=on
52 93 0:48 / /run/c/one/rootfs rw,relatime shared:31 - overlay overlay rw,lowerdir=/s/1/fs,upperdir=/s/2/fs,workdir=/s/2/work
53 93 0:49 / /run/c/one/rootfs rw,relatime - overlay overlay rw,lowerdir=/s/1/fs,upperdir=/s/3/fs,workdir=/s/3/work
55 93 0:50 / /run/c/a\040b/rootfs rw,relatime shared:32 master:2 - overlay overlay rw,upperdir=/s/4\134x,lowerdir=/s/3/fs
56 93 0:51 / /run/c/disk/rootfs rw - ext4 /dev/sda rw
57 93 0:52 / /run/c/view/rootfs ro - overlay overlay ro,lowerdir=/a:/b
`

func TestUpperDirectoryIsThatOfTheLastMount(t *testing.T) {
	for rootfs, want := range map[string]string{"/run/c/one/rootfs": "/s/3/fs", "/run/c/a b/rootfs": `/s/4\x`} {
		if got, err := upperDirectory(mountinfo, rootfs); got != want || err != nil {
			t.Errorf("%s: got %q, %v", rootfs, got, err)
		}
	}
	for rootfs, want := range map[string]string{"/run/c/disk/rootfs": "ext4", "/run/c/view/rootfs": "upper", "/run/c/no/rootfs": "upper"} {
		if _, err := upperDirectory(mountinfo, rootfs); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", rootfs, err)
		}
	}
}

func FuzzMountinfo(f *testing.F) {
	f.Add(mountinfo)
	f.Add("1 2 3:4 / / rw - overlay o upperdir=\\999\n - \n")
	f.Fuzz(func(t *testing.T, text string) {
		if upper, err := upperDirectory(text, "/run/c/one/rootfs"); err == nil && !filepath.IsAbs(upper) {
			t.Errorf("got %q", upper)
		}
	})
}

// What is frozen and dumped is the container's own cgroup, whatever the state of the runtime has.
func FuzzState(f *testing.F) {
	const id = "0a1b2c"
	f.Add([]byte(`{"init_process_pid":12,"init_process_start":345,"cgroup_paths":{"":"/sys/fs/cgroup/kubepods.slice/cri-containerd-0a1b2c.scope"}}`))
	f.Add([]byte(`{"cgroup_paths":{"freezer":"/sys/fs/cgroup/freezer/kubepods/pod1/0a1b2c","":"/sys/fs/cgroup/unified/other"}}`))
	f.Add([]byte(`{"cgroup_paths":{"freezer":"/sys/fs/cgroup/freezer/../../../0a1b2c"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		state, err := parseState(text)
		if err != nil {
			return
		}
		cgroup, err := state.cgroup(id)
		if err == nil && (!strings.HasPrefix(cgroup.Path, "/sys/fs/cgroup/") || !strings.Contains(filepath.Base(cgroup.Path), id) || strings.Contains(cgroup.Path, "/../")) {
			t.Errorf("got %+v", cgroup)
		}
	})
}

func TestVolumesAreTheMountedEmptyDirsOfThePod(t *testing.T) {
	directory := t.TempDir() + "/pods/u"
	for _, each := range []string{"data", "part", "unused"} {
		if err := os.MkdirAll(filepath.Join(directory, checkpoint.EmptyDirs, each), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	mounts := func(sources ...string) Container {
		spec := &specs.Spec{}
		for _, each := range sources {
			spec.Mounts = append(spec.Mounts, specs.Mount{Source: each})
		}
		return Container{Spec: spec}
	}
	p := &Pod{UID: "u"}
	containers := []Container{
		mounts(directory+"/volume-subpaths/part/app/0", directory+"/volume-subpaths/claim/app/1", directory+"/etc-hosts"),
		mounts(directory+"/"+checkpoint.EmptyDirs+"/data", directory+"/"+checkpoint.EmptyDirs+"/data", directory+"/volumes/kubernetes.io~projected/data"),
		mounts(strings.Replace(directory, "/pods/u", "/pods/other", 1)+"/"+checkpoint.EmptyDirs+"/other", "proc"),
	}
	got, names := p.Volumes(containers)
	if got != directory || !reflect.DeepEqual(names, []string{"data", "part"}) {
		t.Errorf("got %s, %v", got, names)
	}
	if got, names := p.Volumes(containers[2:]); got != "" || names != nil {
		t.Errorf("got %s, %v", got, names)
	}
}

func TestSharedMemoryIsTheSandboxes(t *testing.T) {
	of := func(mount specs.Mount) string {
		return (&Pod{}).SharedMemory([]Container{{Spec: &specs.Spec{Mounts: []specs.Mount{mount}}}})
	}
	shm := "/run/containerd/io.containerd.grpc.v1.cri/sandboxes/x/shm"
	if got := of(specs.Mount{Destination: "/dev/shm", Type: "bind", Source: shm}); got != shm {
		t.Errorf("got %q", got)
	}
	for _, each := range []specs.Mount{
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm"},
		{Destination: "/dev/shm", Type: "bind", Source: "/var/lib/kubelet/pods/u/" + checkpoint.EmptyDirs + "/shm"},
		{Destination: "/dev/shm", Type: "bind", Source: "/dev/shm"},
	} {
		if got := of(each); got != "" {
			t.Errorf("%+v: got %q", each, got)
		}
	}
}

func TestRunningComparesTheStartOfTheProcess(t *testing.T) {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if !(runtimeState{PID: os.Getpid(), Start: start}).running() {
		t.Error("this process is not running")
	}
	if (runtimeState{PID: os.Getpid(), Start: start + 1}).running() || (runtimeState{PID: 1 << 30, Start: start}).running() {
		t.Error("another process counts as running")
	}
}

func TestMemoryOfThisProcess(t *testing.T) {
	ballast := make([]byte, 8<<20)
	for i := range ballast {
		ballast[i] = 1
	}
	// A stand-in for a cgroup, with this process and one that does not exist.
	directory := t.TempDir()
	if err := os.WriteFile(directory+"/cgroup.procs", fmt.Appendf(nil, "%d\n%d\n", os.Getpid(), 1<<30), 0o600); err != nil {
		t.Fatal(err)
	}
	container := Container{Cgroup: freezer.Cgroup{Version: freezer.V2, Path: directory}}
	if least, most := container.MemoryBytes(); least < int64(len(ballast)) || most < least || most > 4<<30 {
		t.Errorf("got %d, %d", least, most)
	}
	runtime.KeepAlive(ballast)
	if err := os.WriteFile(directory+"/cgroup.procs", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if least, most := container.MemoryBytes(); least != 0 || most != 0 {
		t.Errorf("without processes: got %d, %d", least, most)
	}
}

func TestMemoryOfAProcess(t *testing.T) {
	status := "Name:\ta\nVmRSS:\t  900 kB\nRssAnon:\t     100 kB\nRssFile:\t  700 kB\nRssShmem:\t  40 kB\nVmSwap:\t  8 kB\nThreads:\t2\n"
	if private, shared := memoryOf(status); private != 108<<10 || shared != 40<<10 {
		t.Errorf("got %d, %d", private, shared)
	}
	if private, shared := memoryOf("Name:\tkthreadd\n"); private != 0 || shared != 0 {
		t.Errorf("got %d, %d", private, shared)
	}
}
