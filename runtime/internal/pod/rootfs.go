package pod

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"cedana.ai/cdk/runtime/internal/namespace"
	"cedana.ai/cdk/runtime/internal/pattern"
)

// UpperDirectory returns the directory with the changes of the container's root file system.
func (c Container) UpperDirectory() (string, error) {
	mounts, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return "", err
	}
	return upperDirectory(string(mounts), filepath.Join(c.Bundle, "rootfs"))
}

var octal = pattern.New(`\\[0-7]{3}`)

// unescape resolves the escapes of mountinfo: spaces, tabs, newlines and backslashes as octal numbers.
func unescape(text string) string {
	return octal().ReplaceAllStringFunc(text, func(each string) string {
		value, _ := strconv.ParseUint(each[1:], 8, 8)
		return string([]byte{byte(value)})
	})
}

func upperDirectory(mountinfo, rootfs string) (string, error) {
	upper := ""
	for line := range strings.Lines(mountinfo) {
		// ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS FIELDS... - TYPE SOURCE SUPEROPTIONS (proc_pid_mountinfo(5))
		left, right, _ := strings.Cut(strings.TrimSpace(line), " - ")
		fields, last := strings.Fields(left), strings.Fields(right)
		if len(fields) < 6 || len(last) < 3 || unescape(fields[4]) != rootfs {
			continue
		}
		if last[0] != "overlay" {
			return "", fmt.Errorf("the root file system is %s; only containerd's overlayfs snapshotter is supported", last[0])
		}
		for option := range strings.SplitSeq(last[2], ",") {
			if value, found := strings.CutPrefix(option, "upperdir="); found {
				// The last mount of a path is the one that is visible.
				upper = unescape(value)
			}
		}
	}
	if !filepath.IsAbs(upper) {
		return "", fmt.Errorf("no mount of %s has an upper directory", rootfs)
	}
	return upper, nil
}

// PIDs returns the processes of the container's cgroup and the cgroups below it.
func (c Container) PIDs() []int {
	pids := []int{}
	_ = filepath.WalkDir(c.Cgroup.Path, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.Name() != "cgroup.procs" {
			return nil
		}
		data, err := os.ReadFile(path)
		for each := range strings.FieldsSeq(string(data)) {
			if pid, err := strconv.Atoi(each); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids
}

// MemoryBytes estimates the memory that a dump would write: the anonymous and shared memory of all processes. Processes
// can share memory, which a dump writes once. It counts once in least, that of the process with the most, and for each
// process in most.
func (c Container) MemoryBytes() (least, most int64) {
	var private, shared, mostShared int64
	for _, pid := range c.PIDs() {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		ownPrivate, ownShared := memoryOf(string(data))
		private, shared, mostShared = private+ownPrivate, shared+ownShared, max(mostShared, ownShared)
	}
	return private + mostShared, private + shared
}

// memoryOf returns the private and the shared memory in bytes from /proc/PID/status.
func memoryOf(status string) (private, shared int64) {
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch {
		case err != nil:
		case name == "RssAnon" || name == "VmSwap":
			private += kilobytes << 10
		case name == "RssShmem":
			shared += kilobytes << 10
		}
	}
	return private, shared
}

// Addresses returns the pod's addresses: those of its network namespace that are neither loopback nor link-local.
func (p *Pod) Addresses() ([]string, error) {
	addresses, err := namespace.Addresses(namespace.Network.Of(p.SandboxPID))
	if err != nil {
		return nil, fmt.Errorf("cannot read the pod's addresses: %w", err)
	}
	list := []string{}
	for _, each := range addresses {
		list = append(list, each.String())
	}
	return list, nil
}
