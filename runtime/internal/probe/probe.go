// Package probe finds what CRIU cannot dump in running containers, before they are frozen: a checkpoint that would fail
// costs no standstill then, and the message names container and process.
//
// A process can open such a file after the check. CRIU fails then, and package criu explains its error.
package probe

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"cedana.ai/cdk/runtime/internal/pod"
	"golang.org/x/sys/unix"
)

// Problem is something that cannot be dumped.
type Problem struct {
	Container string
	Message   string
	Remedy    string
}

// protocolMPTCP is IPPROTO_MPTCP of linux/in.h.
const protocolMPTCP = 262

// process is a process of a container.
type process struct {
	container *pod.Container
	pid       int
	// root is the device of the container's root file system in the kernel's form, 0 if unknown.
	root uint64
}

// Check returns the problems of the containers, in their order, at most one of each kind for each container. Established
// says that established TCP connections are one.
func Check(containers []pod.Container, established bool) []Problem {
	owners := map[int]*pod.Container{}
	processes := []process{}
	for i := range containers {
		container := &containers[i]
		root := rootDevice(container.PID)
		for _, pid := range container.PIDs() {
			owners[pid] = container
			processes = append(processes, process{container, pid, root})
		}
	}
	problems := []Problem{}
	seen := map[string]bool{}
	add := func(container *pod.Container, kind, message, remedy string) {
		if key := container.Name + "/" + kind; !seen[key] {
			seen[key] = true
			problems = append(problems, Problem{container.Name, message, remedy})
		}
	}
	for _, each := range processes {
		each.check(owners, established, func(kind, message, remedy string) {
			add(each.container, kind, fmt.Sprintf("process %d (%s) %s", each.pid, command(each.pid), message), remedy)
		})
	}
	if len(containers) > 1 && sharedMemorySegments(containers[0].PID) > 0 {
		add(&containers[0], "sysv", "the pod has SysV shared memory and several containers",
			"Use /dev/shm; SysV memory can be restored in pods with one container.")
	}
	return problems
}

func (p process) check(owners map[int]*pod.Container, established bool, add func(kind, message, remedy string)) {
	directory := fmt.Sprintf("/proc/%d/fd", p.pid)
	entries, err := os.ReadDir(directory)
	if err != nil {
		// It ended.
		return
	}
	for _, entry := range entries {
		target, err := os.Readlink(filepath.Join(directory, entry.Name()))
		if err != nil {
			continue
		}
		switch {
		case strings.HasPrefix(target, "socket:"):
			number, err := strconv.Atoi(entry.Name())
			if err == nil {
				p.checkSocket(number, owners, established, add)
			}
		case target == "anon_inode:[io_uring]":
			add("io_uring", "uses io_uring", "Turn io_uring off in the program, or forbid it by a seccomp profile.")
		case target == "anon_inode:inotify" && p.watchesRoot(entry.Name()):
			add("inotify", "watches a file of the image by inotify", "Watch files of a volume, or turn the watch off.")
		}
	}
}

// checkSocket looks at a socket through a copy of its descriptor.
func (p process) checkSocket(number int, owners map[int]*pod.Container, established bool, add func(kind, message, remedy string)) {
	socket, err := copyDescriptor(p.pid, number)
	if err != nil {
		return
	}
	defer unix.Close(socket)
	domain, domainError := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_DOMAIN)
	protocol, protocolError := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	kind, kindError := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_TYPE)
	if domainError != nil || protocolError != nil || kindError != nil {
		return
	}
	switch {
	case protocol == protocolMPTCP:
		add("mptcp", "has an MPTCP socket",
			"Set GODEBUG=multipathtcp=0 in the container: Go programs listen with MPTCP by default. Or set net.mptcp.enabled=0 in the pod.")
	case protocol == unix.IPPROTO_TCP && established:
		info, err := unix.GetsockoptTCPInfo(socket, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil && info.State == tcpEstablished {
			add("tcp", "has an established TCP connection", "Close it before the checkpoint, or use tcp: close or tcp: loopback.")
		}
	case domain == unix.AF_UNIX && kind == unix.SOCK_STREAM:
		peer, err := unix.GetsockoptUcred(socket, unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil {
			return
		}
		if other := owners[int(peer.Pid)]; other != nil && other != p.container {
			add("unix", "has a unix stream connection to container "+other.Name,
				"Use a FIFO or TCP over loopback between the containers of a pod.")
		}
	}
}

// tcpEstablished is TCP_ESTABLISHED of net/tcp_states.h.
const tcpEstablished = 1

func copyDescriptor(pid, number int) (int, error) {
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(process)
	return unix.PidfdGetfd(process, number, 0)
}

// watchesRoot says if an inotify descriptor has a watch in the container's root file system.
func (p process) watchesRoot(number string) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%s", p.pid, number))
	return err == nil && p.root != 0 && watches(string(data), p.root)
}

// watches reads lines as "inotify wd:1 ino:3f sdev:30 mask:...", numbers in hexadecimal digits (proc(5)).
func watches(fdinfo string, device uint64) bool {
	for line := range strings.Lines(fdinfo) {
		if !strings.HasPrefix(line, "inotify ") {
			continue
		}
		for field := range strings.FieldsSeq(line) {
			if value, found := strings.CutPrefix(field, "sdev:"); found {
				if got, err := strconv.ParseUint(value, 16, 64); err == nil && got == device {
					return true
				}
			}
		}
	}
	return false
}

// rootDevice returns the device of a process's root file system as the kernel stores it: 12 bits major, 20 bits minor.
func rootDevice(pid int) uint64 {
	var stat unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/root", pid), &stat); err != nil {
		return 0
	}
	return uint64(unix.Major(stat.Dev))<<20 | uint64(unix.Minor(stat.Dev))
}

// sharedMemorySegments counts the SysV shared memory segments of a process's ipc namespace.
func sharedMemorySegments(pid int) int {
	// The file shows the namespace of the thread that opens it.
	count := 0
	err := pod.InNamespace(pid, "ipc", unix.CLONE_NEWIPC, func() error {
		file, err := os.Open("/proc/sysvipc/shm")
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

func command(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return "?"
	}
	return strings.TrimSpace(strings.ToValidUTF8(string(data), "?"))
}
