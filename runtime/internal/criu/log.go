package criu

import (
	"bufio"
	"io"
	"os"
	"strings"

	"cedana.ai/cdk/runtime/internal/pattern"
)

const (
	// logScan is how much of a log is searched for errors. A log of a dump has about 100 kB.
	logScan = 32 << 20
	maxLine = 1 << 16
	// maxError is the longest error that is returned.
	maxError = 300
)

var errorLine = pattern.New(`^\(\d+\.\d+\)(?:\s+pie:)?(?:\s+-?\d+)?:?\s+Error \(([^)]{1,80})\): (.*)$`)

// FirstError returns the first error of a log of CRIU, as "sk-inet.c:137: inet: Unsupported proto 262"; empty if there
// is none or the log cannot be read. The first one is the cause, later ones are its consequences.
func FirstError(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	return firstError(file)
}

func firstError(from io.Reader) string {
	scanner := bufio.NewScanner(io.LimitReader(from, logScan))
	scanner.Buffer(make([]byte, 4096), maxLine)
	for scanner.Scan() {
		match := errorLine().FindStringSubmatch(scanner.Text())
		if match == nil || ignored(match[2]) {
			continue
		}
		text := strings.TrimPrefix(match[1], "criu/") + ": " + strings.TrimSpace(match[2])
		text = strings.ToValidUTF8(strings.Map(func(r rune) rune {
			if r < 32 || r == 127 {
				return ' '
			}
			return r
		}, text), "?")
		return text[:min(len(text), maxError)]
	}
	return ""
}

// ignored is true for lines that CRIU writes as errors although the run continues.
func ignored(text string) bool {
	for _, each := range []string{
		// Without CAP_SYS_RESOURCE, and where the kernel has no such device.
		"Can't set oom_score_adj", "Can't setup RLIMIT_NOFILE for self", "Unable to open /dev/kfd", "amdgpu_plugin", "cuda_plugin: cuda-checkpoint",
	} {
		if strings.Contains(text, each) {
			return true
		}
	}
	return false
}

// Cause is a reason that CRIU cannot dump or restore a process, with the setting that helps.
type Cause struct {
	// Code is a noun in kebab case.
	Code string
	// Remedy is one sentence for the user of the pod.
	Remedy string
}

// causes were seen with CRIU 4.2.1. The text is a part of the first error.
var causes = []struct {
	text  string
	cause Cause
}{
	{"Unsupported proto 262", Cause{"mptcp-socket", "Set GODEBUG=multipathtcp=0 in the container: Go programs listen with MPTCP by default."}},
	{"Can't dump half of stream unix connection", Cause{"unix-stream-between-containers", "Use a FIFO or TCP over loopback between the containers of a pod."}},
	{"Can't dump that handle", Cause{"inotify-on-image-file", "Watch files of a volume; inotify on files of the image cannot be dumped."}},
	{"Connected TCP socket", Cause{"established-tcp-connection", "Close the connections before the checkpoint, or use tcp: close or tcp: loopback."}},
	{"Failed to create shm set", Cause{"sysv-shared-memory", "Use /dev/shm; SysV memory is supported in pods with one container."}},
	{"anon_inode:[io_uring]", Cause{"io-uring", "Turn io_uring off in the program; CRIU cannot dump it."}},
	// CRIU reads the descriptors of a process by a unix socket, which cannot carry that of an io_uring.
	{"Can't retrieve FDs from socket", Cause{"io-uring", "Turn io_uring off in the program; CRIU cannot dump it."}},
	{"io_uring", Cause{"io-uring", "Turn io_uring off in the program; CRIU cannot dump it."}},
	{"MemTrack", Cause{"no-soft-dirty", "Take the checkpoint without a pre-dump; this kernel does not track changed memory."}},
	{"has bad size", Cause{"file-changed", "Take the checkpoint again; a file changed after the memory was dumped."}},
	{"No mapping for", Cause{"mount-missing", "Mount at the new pod what the checkpointed one had."}},
	{"file locks", Cause{"file-lock", "Release file locks before the checkpoint."}},
}

// Explain returns the cause of an error of FirstError; an empty one if it is not known.
func Explain(text string) Cause {
	for _, each := range causes {
		if strings.Contains(text, each.text) {
			return each.cause
		}
	}
	return Cause{}
}
