package probe

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"cedana.ai/cdk/runtime/internal/cuda"
	"golang.org/x/sys/unix"
)

// descriptor is an open file of a process.
type descriptor struct {
	number int
	// target is the kernel's name of the file: a path, "socket:[INODE]", "anon_inode:NAME".
	target string
}

// descriptorsOf returns the open files of a process; none of one that ended.
func descriptorsOf(pid int) []descriptor {
	directory := fmt.Sprintf("/proc/%d/fd/", pid)
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil
	}
	list := make([]descriptor, 0, len(entries))
	for _, entry := range entries {
		number, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if target, err := os.Readlink(directory + entry.Name()); err == nil {
			list = append(list, descriptor{number, target})
		}
	}
	return list
}

// socket returns the inode of a socket.
func (d descriptor) socket() (uint64, bool) {
	text, found := strings.CutPrefix(d.target, "socket:[")
	inode, err := strconv.ParseUint(strings.TrimSuffix(text, "]"), 10, 64)
	return inode, found && err == nil
}

// dumpable are the names of anonymous descriptors that CRIU dumps (dump_one_file of criu/files.c).
var dumpable = []string{"[eventfd]", "[eventpoll]", "[signalfd]", "[timerfd]", "[pidfd]", "inotify", "[fanotify]"}

// named are the kinds of descriptors without a path that CRIU dumps besides: pipes, processes, and namespaces, which are those of
// the new pod after a restore.
var named = []string{"pipe", "pidfd", "cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts"}

// remedies are those of objects that programs can do without.
var remedies = map[string]string{
	"[io_uring]":         "Set seccompProfile RuntimeDefault for the pod: containerd 2 then forbids io_uring, and Node.js works without. Or turn io_uring off in the program.",
	"[userfaultfd]":      "Use a program that does not handle page faults itself, as some garbage collectors and virtual machines do.",
	"[perf_event]":       "End the profiler before the checkpoint.",
	"bpf-map":            "End the BPF program before the checkpoint.",
	"bpf-prog":           "End the BPF program before the checkpoint.",
	"bpf_link":           "End the BPF program before the checkpoint.",
	"seccomp notify":     "End the supervisor of system calls before the checkpoint.",
	"[landlock-ruleset]": "Close the ruleset after it is in force.",
	"landlock-ruleset":   "Close the ruleset after it is in force.",
}

func (c *check) checkDescriptor(p *process, d descriptor) {
	kind, name, anonymous := strings.Cut(d.target, ":")
	switch {
	case kind == "socket" && anonymous:
		c.checkSocket(p, d)
	case kind == "anon_inode" && name == "inotify", kind == "anon_inode" && name == "[fanotify]":
		c.checkWatches(p, d, strings.Trim(name, "[]"))
	case kind == "anon_inode" && name == "[timerfd]":
		c.checkTimer(p, d)
	case kind == "anon_inode" && !slices.Contains(dumpable, name):
		remedy := remedies[name]
		if remedy == "" {
			remedy = "Close it before the checkpoint."
		}
		c.report(p, name, "has an open "+strings.Trim(name, "[]")+" descriptor", remedy)
	case kind == "anon_inode", anonymous && slices.Contains(named, kind):
	case strings.HasPrefix(d.target, "/"):
		c.checkFile(p, d)
	default:
		c.report(p, kind, "has an open descriptor of "+kind, "Close it before the checkpoint.")
	}
}

// Major and minor numbers of devices (Documentation/admin-guide/devices.txt of Linux).
const (
	majorMemory       = 1
	majorTTY          = 4
	majorAlternateTTY = 5
	majorPTYFirst     = 136
	majorPTYLast      = 143
)

// mqueueMagic is MQUEUE_MAGIC of linux/magic.h: the file system of POSIX message queues.
const mqueueMagic = 0x19800202

// checkFile finds devices and message queues.
func (c *check) checkFile(p *process, d descriptor) {
	name := fmt.Sprintf("/proc/%d/fd/%d", p.pid, d.number)
	var stat unix.Stat_t
	if unix.Stat(name, &stat) != nil {
		return
	}
	major := unix.Major(stat.Rdev)
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFBLK:
		c.report(p, "device", "has the block device "+d.target+" open", "Close it before the checkpoint.")
	case unix.S_IFCHR:
		known := major == majorMemory || major == majorTTY || major == majorAlternateTTY || major >= majorPTYFirst && major <= majorPTYLast
		// Package dump handles processes that use a GPU.
		if !known && !cuda.IsDevice(d.target) {
			c.report(p, "device", "has the device "+d.target+" open", "Close it before the checkpoint, or run the program without the device.")
		}
	case unix.S_IFREG:
		var system unix.Statfs_t
		if unix.Statfs(name, &system) == nil && system.Type == mqueueMagic {
			c.report(p, "mqueue", "has the POSIX message queue "+d.target+" open", "Use a FIFO or a unix socket: CRIU does not save the messages.")
		}
	}
}

// checkWatches finds watches of files that cannot be found again by the handle of their inode: those of the image and of
// file systems of the kernel.
func (c *check) checkWatches(p *process, d descriptor, kind string) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", p.pid, d.number))
	if err != nil {
		return
	}
	for _, each := range watches(string(data), kind) {
		switch system := p.systems[each.device]; {
		case (each.device == p.root || system == "overlay") && !p.findable(each):
			c.report(p, "inotify", "watches a file of the image by "+kind, "Watch files of a volume, or turn the watch off.")
		case slices.Contains(withoutHandles, system):
			c.report(p, "inotify", "watches a file of "+system+" by "+kind, "Turn the watch off, or read the file at intervals.")
		}
	}
}

// searched are directories in which CRIU searches for the inode of a watch (hints of criu/irmap.c).
var searched = []string{"/etc", "/var/spool", "/var/log"}

// searchLimit is how many files are compared. An image has some hundred in these directories.
const searchLimit = 20000

// findable says if CRIU finds the file of a watch by its inode: the root directory, or a file of a directory that it searches.
func (p *process) findable(of watch) bool {
	root := fmt.Sprintf("/proc/%d/root", p.pid)
	same := func(info os.FileInfo, err error) bool {
		if err != nil {
			return false
		}
		stat := info.Sys().(*syscall.Stat_t)
		return stat.Ino == of.inode && deviceNumber(uint64(unix.Major(stat.Dev)), uint64(unix.Minor(stat.Dev))) == of.device
	}
	if same(os.Stat(root)) {
		return true
	}
	left := searchLimit
	for _, directory := range searched {
		found := filepath.WalkDir(root+directory, func(_ string, entry os.DirEntry, err error) error {
			if left--; left < 0 {
				return filepath.SkipAll
			}
			if err == nil && same(entry.Info()) {
				return errFound
			}
			return nil
		})
		if errors.Is(found, errFound) {
			return true
		}
	}
	return false
}

var errFound = errors.New("found")

// withoutHandles are file systems whose files CRIU cannot open by a handle.
var withoutHandles = []string{"proc", "sysfs", "devpts", "mqueue"}

// watch is the file that a watch is for.
type watch struct{ device, inode uint64 }

// watches returns the files in lines as "inotify wd:1 ino:3f sdev:30 mask:...", numbers in hexadecimal digits (proc(5)).
func watches(fdinfo, kind string) []watch {
	list := []watch{}
	for line := range strings.Lines(fdinfo) {
		if !strings.HasPrefix(line, kind+" ") {
			continue
		}
		read := map[string]uint64{}
		for field := range strings.FieldsSeq(line) {
			key, value, _ := strings.Cut(field, ":")
			if number, err := strconv.ParseUint(value, 16, 64); err == nil {
				read[key] = number
			}
		}
		if device, found := read["sdev"]; found {
			list = append(list, watch{device, read["ino"]})
		}
	}
	return list
}

// checkTimer finds a periodic timer that expired and was not read. CRIU restores it as one that ended.
func (c *check) checkTimer(p *process, d descriptor) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", p.pid, d.number))
	if err == nil && expired(string(data)) {
		c.report(p, "timerfd", "has a periodic timerfd that expired and was not read",
			"Read it before its next period, or set a single expiry each time: CRIU would restore it without its period.")
	}
}

// expired reads the lines "it_value: (SECONDS, NANOSECONDS)" and "it_interval: ..." of a timerfd (proc(5)).
func expired(fdinfo string) bool {
	value, interval := "", ""
	for line := range strings.Lines(fdinfo) {
		key, rest, _ := strings.Cut(line, ":")
		switch key {
		case "it_value":
			value = strings.TrimSpace(rest)
		case "it_interval":
			interval = strings.TrimSpace(rest)
		}
	}
	return value == "(0, 0)" && interval != "" && interval != "(0, 0)"
}
