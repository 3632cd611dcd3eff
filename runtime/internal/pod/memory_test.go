package pod

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// memoryNode is a node with bundles, states of the runtime and cgroups in a temporary directory.
type memoryNode struct {
	t      *testing.T
	reader *MemoryReader
	root   string
}

func newMemoryNode(t *testing.T) *memoryNode {
	root := t.TempDir()
	reader := NewMemoryReader(Paths{filepath.Join(root, "bundles"), filepath.Join(root, "runtime")})
	reader.root = filepath.Join(root, "cgroup")
	return &memoryNode{t, reader, root}
}

func (n *memoryNode) write(text string, path ...string) {
	n.t.Helper()
	file := filepath.Join(append([]string{n.root}, path...)...)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// container adds a container; controller is the key of its cgroup in the state of the runtime.
func (n *memoryNode) container(id, pod, name, kind, controller, cgroup string) {
	n.t.Helper()
	n.write(fmt.Sprintf(`{"ociVersion":"1.1.0","process":{},"root":{},"linux":{},"annotations":{%q:%q,%q:%q,%q:%q}}`,
		annotationUID, pod, annotationName, name, annotationKind, kind), "bundles", id, "config.json")
	n.write(fmt.Sprintf(`{"init_process_pid":1,"cgroup_paths":{%q:%q,"freezer":"/sys/fs/cgroup/freezer/x"}}`,
		controller, filepath.Join(n.root, "cgroup", cgroup)), "runtime", id, "state.json")
}

func (n *memoryNode) expect(want map[string]map[string]int64, uids ...string) {
	n.t.Helper()
	got, err := n.reader.Read(uids)
	if err != nil || !reflect.DeepEqual(got, want) {
		n.t.Errorf("got %v, %v, not %v", got, err, want)
	}
}

func TestMemoryIsTheUsageWithoutInactiveFiles(t *testing.T) {
	n := newMemoryNode(t)
	n.container("a1", "pod-a", "app", "container", "memory", "memory/pod/a1")
	n.write("1000\n", "cgroup/memory/pod/a1/memory.usage_in_bytes")
	n.write("cache 600\ninactive_file 1\ntotal_cache 600\ntotal_inactive_file 300\n", "cgroup/memory/pod/a1/memory.stat")
	n.container("a2", "pod-a", "proxy", "container", "", "pod/cri-containerd-a2.scope")
	n.write("500\n", "cgroup/pod/cri-containerd-a2.scope/memory.current")
	n.write("anon 100\nfile 400\ninactive_anon 1\ninactive_file 150\n", "cgroup/pod/cri-containerd-a2.scope/memory.stat")
	n.container("s", "pod-a", "", "sandbox", "memory", "memory/pod/s")
	n.container("b1", "pod-b", "app", "container", "", "pod/b1")
	n.write("10\n", "cgroup/pod/b1/memory.current")
	n.write("inactive_file 20\n", "cgroup/pod/b1/memory.stat")
	n.expect(map[string]map[string]int64{"pod-a": {"app": 700, "proxy": 350}}, "pod-a", "unknown")
	// The two files are not read at the same moment.
	n.expect(map[string]map[string]int64{"pod-b": {"app": 0}}, "pod-b")
	n.expect(map[string]map[string]int64{})
}

func TestMemoryFollowsContainersThatComeAndGo(t *testing.T) {
	n := newMemoryNode(t)
	n.expect(map[string]map[string]int64{}, "pod")
	// It is being created: the runtime has no state yet.
	n.container("c1", "pod", "app", "container", "", "pod/c1")
	if err := os.Remove(filepath.Join(n.root, "runtime/c1/state.json")); err != nil {
		t.Fatal(err)
	}
	n.expect(map[string]map[string]int64{}, "pod")
	n.container("c1", "pod", "app", "container", "", "pod/c1")
	n.write("7\n", "cgroup/pod/c1/memory.current")
	n.write("inactive_file 0\n", "cgroup/pod/c1/memory.stat")
	n.expect(map[string]map[string]int64{"pod": {"app": 7}}, "pod")
	n.write("8\n", "cgroup/pod/c1/memory.current")
	n.expect(map[string]map[string]int64{"pod": {"app": 8}}, "pod")
	// It ended, then the kubelet deletes it and creates another one.
	if err := os.RemoveAll(filepath.Join(n.root, "cgroup/pod/c1")); err != nil {
		t.Fatal(err)
	}
	n.expect(map[string]map[string]int64{}, "pod")
	if err := os.RemoveAll(filepath.Join(n.root, "bundles/c1")); err != nil {
		t.Fatal(err)
	}
	n.container("c2", "pod", "app", "container", "", "pod/c2")
	n.write("3\n", "cgroup/pod/c2/memory.current")
	n.write("inactive_file 1\n", "cgroup/pod/c2/memory.stat")
	n.expect(map[string]map[string]int64{"pod": {"app": 2}}, "pod")
	if len(n.reader.known) != 1 {
		t.Errorf("knows %v", n.reader.known)
	}
}

func TestMemoryIsReadFromTheContainersOwnCgroupOnly(t *testing.T) {
	for name, cgroup := range map[string]string{
		"of the pod":    "pod",
		"outside":       "../outside/d1",
		"with dots":     "pod/../../d1",
		"of the others": "pod/e2",
	} {
		n := newMemoryNode(t)
		n.container("d1", "pod", "app", "container", "", cgroup)
		state := fmt.Sprintf(`{"cgroup_paths":{"":%q}}`, n.root+"/cgroup/"+cgroup)
		n.write(state, "runtime/d1/state.json")
		for _, directory := range []string{"pod", "../outside/d1", "../d1", "pod/e2"} {
			n.write("7\n", "cgroup", directory, "memory.current")
			n.write("inactive_file 0\n", "cgroup", directory, "memory.stat")
		}
		t.Log(name)
		n.expect(map[string]map[string]int64{}, "pod")
	}
}

func TestMemoryThatCannotBeParsedIsAnError(t *testing.T) {
	for _, each := range []struct{ current, stat, want string }{
		{"max", "inactive_file 1", "memory.current"},
		{"7", "inactive_file x", "memory.stat"},
		{"7", "anon 1", "has no inactive_file"},
	} {
		n := newMemoryNode(t)
		n.container("f1", "pod", "app", "container", "", "pod/f1")
		n.write(each.current, "cgroup/pod/f1/memory.current")
		n.write(each.stat, "cgroup/pod/f1/memory.stat")
		if _, err := n.reader.Read([]string{"pod"}); err == nil || !strings.Contains(err.Error(), each.want) ||
			!strings.Contains(err.Error(), "container app of pod pod") {
			t.Errorf("got %v", err)
		}
	}
}
