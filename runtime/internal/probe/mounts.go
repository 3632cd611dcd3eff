package probe

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"cedana.ai/cdk/runtime/internal/namespace"
	"cedana.ai/cdk/runtime/internal/pod"
)

// mounted is a mount of a container.
type mounted struct{ device, point, system string }

// systems are the file systems that CRIU mounts again without the help of the runtime.
var systems = []string{"tmpfs", "proc", "sysfs", "mqueue", "devpts", "cgroup", "cgroup2"}

// checkMounts finds a first process that changed its root directory, and mounts that the container created itself and CRIU
// cannot create again. Mounts of the container's configuration are those of the new pod.
func (c *check) checkMounts(container *pod.Container) {
	node, err := namespace.Mount.IsNodes(namespace.Mount.Of(container.PID))
	data, readErr := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", container.PID))
	if errors.Join(err, readErr) != nil || node || container.Spec == nil || container.Spec.Linux == nil {
		return
	}
	list := mountsIn(string(data))
	root := slices.IndexFunc(list, func(each mounted) bool { return each.point == "/" })
	if root < 0 {
		c.add(container, "root", "the container's first process changed its root directory", "Call chroot in a child process.")
		return
	}
	configured := []string{}
	for _, each := range container.Spec.Mounts {
		configured = append(configured, path.Clean(each.Destination))
	}
	masked := append(slices.Clone(container.Spec.Linux.MaskedPaths), container.Spec.Linux.ReadonlyPaths...)
	for _, each := range list {
		if each.device == list[root].device || slices.Contains(systems, each.system) || slices.Contains(masked, each.point) {
			continue
		}
		if !slices.ContainsFunc(configured, func(point string) bool { return each.point == point || strings.HasPrefix(each.point, point+"/") }) {
			c.add(container, "mount", fmt.Sprintf("the container mounted %s at %s", each.system, each.point), "Unmount it before the checkpoint, or use a volume of the pod.")
		}
	}
}

// mountsIn reads lines of mountinfo: ID PARENT MAJOR:MINOR ROOT POINT OPTIONS FIELDS... - TYPE SOURCE OPTIONS
// (proc_pid_mountinfo(5)).
func mountsIn(mountinfo string) []mounted {
	list := []mounted{}
	for line := range strings.Lines(mountinfo) {
		left, right, _ := strings.Cut(line, " - ")
		fields, last := strings.Fields(left), strings.Fields(right)
		if len(fields) > 5 && len(last) > 0 {
			list = append(list, mounted{fields[2], fields[4], last[0]})
		}
	}
	return list
}

// systemsOf returns the types of the file systems that a process sees, by device.
func systemsOf(pid int) map[uint64]string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		return nil
	}
	systems := map[uint64]string{}
	for _, each := range mountsIn(string(data)) {
		first, second, _ := strings.Cut(each.device, ":")
		major, err := strconv.ParseUint(first, 10, 12)
		minor, minorErr := strconv.ParseUint(second, 10, 20)
		if err == nil && minorErr == nil {
			systems[deviceNumber(major, minor)] = each.system
		}
	}
	return systems
}
