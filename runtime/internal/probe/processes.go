package probe

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"cedana.ai/cdk/runtime/internal/pod"
	"golang.org/x/sys/unix"
)

// process is a process that CRIU dumps with a container.
type process struct {
	container *pod.Container
	pid       int
	name      string
	// zombie processes have no descriptors, memory and namespaces.
	zombie      bool
	tracer      int
	descriptors []descriptor
	// root is the device of the container's root file system in the kernel's form, 0 if unknown.
	root uint64
	// systems are the types of the container's file systems, by their device in the same form.
	systems map[uint64]string
}

// status has the fields of /proc/PID/status that the checks need.
type status struct {
	name           string
	parent, tracer int
	// inner is the process's number in its own process namespace.
	inner  int
	zombie bool
}

func readStatus(pid int) (status, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return status{}, err
	}
	return parseStatus(string(data)), nil
}

func parseStatus(text string) status {
	read := status{}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Name":
			read.name = strings.ToValidUTF8(value, "?")
		case "PPid":
			read.parent, _ = strconv.Atoi(value)
		case "TracerPid":
			read.tracer, _ = strconv.Atoi(value)
		case "NSpid":
			read.inner, _ = strconv.Atoi(value[strings.LastIndexByte(value, '\t')+1:])
		case "State":
			read.zombie = strings.HasPrefix(value, "Z") || strings.HasPrefix(value, "X")
		}
	}
	return read
}

// processesOf returns the processes that CRIU dumps with a container: its first one and their descendants. The processes of
// `kubectl exec` and of probes are in its cgroup as well, but no descendants: they keep running and are not restored.
func (c *check) processesOf(container *pod.Container) []*process {
	known := map[int]status{}
	for _, pid := range container.PIDs() {
		// One that ended is no part of the checkpoint.
		if read, err := readStatus(pid); err == nil {
			known[pid] = read
		}
	}
	root, systems := rootDevice(container.PID), systemsOf(container.PID)
	list := []*process{}
	for pid, each := range known {
		if !descends(known, pid, container.PID) {
			c.checkOrphan(container, pid, each)
			continue
		}
		p := &process{container: container, pid: pid, name: each.name, zombie: each.zombie, tracer: each.tracer, root: root, systems: systems}
		if !p.zombie {
			p.descriptors = descriptorsOf(pid)
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *process) int { return a.pid - b.pid })
	return list
}

// descends says if a process is the first one or a descendant of it.
func descends(known map[int]status, pid, first int) bool {
	for range len(known) + 1 {
		if pid == first {
			return true
		}
		each, found := known[pid]
		if !found {
			return false
		}
		pid = each.parent
	}
	return false
}

// checkOrphan finds processes that lost their parent in a pod that shares its process namespace: they became children of the
// pod's first process, which is no part of a checkpoint.
func (c *check) checkOrphan(container *pod.Container, pid int, of status) {
	own, err := namespaceOf(pid, "pid")
	parent, parentErr := namespaceOf(of.parent, "pid")
	read, statusErr := readStatus(of.parent)
	if errors.Join(err, parentErr, statusErr) != nil || own != parent || read.inner != 1 {
		return
	}
	c.add(container, "orphan", fmt.Sprintf("process %d (%s) is no descendant of the container's first process", pid, of.name),
		"Let the container's first process wait for it, or turn shareProcessNamespace off.")
}

// namespaceOf returns the name of a process's namespace, as "pid:[4026531836]".
func namespaceOf(pid int, kind string) (string, error) {
	return os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
}

func (c *check) checkProcess(p *process) {
	if p.tracer != 0 {
		c.report(p, "traced", fmt.Sprintf("is traced by process %d", p.tracer), "End the debugger or strace before the checkpoint.")
	}
	if p.zombie {
		return
	}
	c.checkNamespaces(p)
	c.checkCgroup(p)
	c.checkMemory(p)
	for _, each := range p.descriptors {
		c.checkDescriptor(p, each)
	}
}

// nested are the namespaces of which CRIU dumps only those of the container's first process. It dumps all mount namespaces.
var nested = []struct{ kind, text string }{
	{"user", "user"}, {"pid_for_children", "process"}, {"net", "network"}, {"uts", "UTS"}, {"ipc", "IPC"},
	{"cgroup", "cgroup"}, {"time_for_children", "time"},
}

// checkNamespaces finds processes in namespaces that the container created itself.
func (c *check) checkNamespaces(p *process) {
	for _, each := range nested {
		own, err := namespaceOf(p.pid, each.kind)
		first, firstErr := namespaceOf(p.container.PID, each.kind)
		if err == nil && firstErr == nil && own != first {
			c.report(p, "namespace", "is in another "+each.text+" namespace than the container",
				"Create no namespaces in the container, as sandboxes and nested containers do.")
			return
		}
	}
}

// checkCgroup finds processes in cgroups that the container created below its own. They are not created by a restore.
func (c *check) checkCgroup(p *process) {
	own, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", p.pid))
	first, firstErr := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", p.container.PID))
	if err == nil && firstErr == nil && below(string(own), string(first)) {
		c.report(p, "cgroup", "is in a cgroup that the container created",
			"Create no cgroups in the container, as systemd and nested containers do.")
	}
}

// below says if a process is in a cgroup below that of another one, in any hierarchy. Both are lines as "4:memory:/path"
// (cgroups(7)).
func below(own, first string) bool {
	paths := map[string]string{}
	for line := range strings.Lines(first) {
		if hierarchy, path, found := strings.Cut(strings.TrimSpace(line), ":/"); found {
			paths[hierarchy] = path
		}
	}
	for line := range strings.Lines(own) {
		hierarchy, path, _ := strings.Cut(strings.TrimSpace(line), ":/")
		parent, found := paths[hierarchy]
		if found && path != parent && (parent == "" || strings.HasPrefix(path, parent+"/")) {
			return true
		}
	}
	return false
}

// rootDevice returns the device of a process's root file system; 0 if it is not known.
func rootDevice(pid int) uint64 {
	var stat unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/root", pid), &stat); err != nil {
		return 0
	}
	return deviceNumber(uint64(unix.Major(stat.Dev)), uint64(unix.Minor(stat.Dev)))
}

// deviceNumber returns a device as the kernel stores it: 12 bits major, 20 bits minor.
func deviceNumber(major, minor uint64) uint64 { return major<<20 | minor }
