package probe

import (
	"bufio"
	"os"

	"cedana.ai/cdk/runtime/internal/namespace"
	"cedana.ai/cdk/runtime/internal/oci"
	"cedana.ai/cdk/runtime/internal/pod"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// checkIPC finds System V objects in pods of several containers. CRIU saves and restores all objects of the pod's namespace
// with each container, and the second restore finds those of the first.
func (c *check) checkIPC() {
	if node, err := namespace.IPC.IsNodes(namespace.IPC.Of(c.containers[0].PID)); err != nil || node {
		// hostIPC is a problem by itself: its objects are those of the node.
		return
	}
	for _, each := range []struct{ name, text string }{{"shm", "shared memory"}, {"sem", "semaphores"}, {"msg", "message queues"}} {
		if ipcObjects(c.containers[0].PID, each.name) > 0 {
			c.add(&c.containers[0], each.name, "the pod has SysV "+each.text+" and several containers",
				"Use /dev/shm and files; SysV objects can be restored in pods with one container.")
		}
	}
}

// ipcObjects counts the objects of a kind in the IPC namespace of a process.
func ipcObjects(pid int, kind string) int {
	// The file shows the namespace of the thread that opens it.
	count := 0
	err := namespace.IPC.Enter(namespace.IPC.Of(pid), func() error {
		file, err := os.Open("/proc/sysvipc/" + kind)
		if err != nil {
			return err
		}
		defer file.Close()
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			count++
		}
		return lines.Err()
	})
	if err != nil || count == 0 {
		return 0
	}
	// The first line has the names of the columns.
	return count - 1
}

// checkSpec finds what a restore rejects, from the container's configuration.
func (c *check) checkSpec(container *pod.Container) {
	if container.Spec == nil || container.Spec.Linux == nil {
		return
	}
	for _, each := range []struct {
		kind          specs.LinuxNamespaceType
		namespace     namespace.Kind
		text, setting string
	}{
		{specs.NetworkNamespace, namespace.Network, "network", "hostNetwork"}, {specs.IPCNamespace, namespace.IPC, "IPC", "hostIPC"},
		{specs.PIDNamespace, namespace.Process, "process", "hostPID"},
	} {
		path, separate := oci.Namespace(container.Spec, each.kind)
		// containerd names the namespace of the sandbox, also if that is the node's.
		node := false
		if path != "" {
			node, _ = each.namespace.IsNodes(each.namespace.Of(container.PID))
		}
		if !separate || node {
			c.add(container, each.setting, "the container has the node's "+each.text+" namespace", "Remove "+each.setting+" from the pod.")
		}
	}
	if _, separate := oci.Namespace(container.Spec, specs.UserNamespace); separate {
		c.add(container, "hostUsers", "the container has a user namespace", "Remove hostUsers: false from the pod.")
	}
}
