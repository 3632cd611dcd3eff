// Package diagnose reports what this node has and lacks for checkpoints and restores.
package diagnose

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"cedana.ai/cdk/runtime/internal/ask"
	"cedana.ai/cdk/runtime/internal/cuda"
	"cedana.ai/cdk/runtime/internal/service"
	"cedana.ai/cdk/runtime/internal/wrapper"
	"golang.org/x/sys/unix"
)

// Name is the name by which this program is the diagnosis.
const Name = "cedana-node"

// Status of a finding.
const (
	OK = "ok"
	// Warning is a restriction: checkpoints of some programs, or one option, are not possible.
	Warning = "warning"
	Failed  = "failed"
)

// Finding is the result of one check. The fields are those of the agent's health check.
type Finding struct {
	Check   string `json:"check"`
	Status  string `json:"status"`
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
}

// Report is the whole diagnosis.
type Report struct {
	Findings []Finding `json:"findings"`
}

// Failed says if a check failed.
func (r Report) Failed() bool {
	for _, each := range r.Findings {
		if each.Status == Failed {
			return true
		}
	}
	return false
}

// Host is what the checks read. Tests replace it.
type Host struct {
	// Root is the directory of the node's files: "/".
	Root string
	// Output runs a program and returns its output and error output.
	Output func(program string, args ...string) (string, error)
	// Runtime returns the path of the OCI runtime behind the wrapper.
	Runtime func() (string, error)
	// CUDACheckpoint returns the path of cuda-checkpoint; empty if there is none.
	CUDACheckpoint func() cuda.Tool
	// Service asks the host service for its state.
	Service func() error
}

// commandTime is the limit of one command; the slowest, `criu check`, took 30 to 200 ms.
const commandTime = 30 * time.Second

// Node returns the Host of the node that this program runs on.
func Node(runtime func() (string, error)) Host {
	return Host{
		Root: "/", Runtime: runtime, CUDACheckpoint: cuda.Find,
		Output: func(program string, args ...string) (string, error) {
			ctx, cancel := context.WithTimeout(context.Background(), commandTime)
			defer cancel()
			text, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
			return string(text), err
		},
		Service: func() error { return ping(service.Socket) },
	}
}

func ping(socket string) error {
	answer, err := ask.Service(socket, commandTime, "state", struct{}{})
	if err != nil || answer.Error == nil {
		return err
	}
	var failure struct{ Message string }
	if err := json.Unmarshal(answer.Error, &failure); err != nil {
		return err
	}
	return errors.New(failure.Message)
}

func (h Host) path(name string) string { return filepath.Join(h.Root, name) }

// read returns the trimmed text of a file; false if there is none.
func (h Host) read(name string) (string, bool) {
	data, err := os.ReadFile(h.path(name))
	return strings.TrimSpace(string(data)), err == nil
}

// Run runs all checks.
func (h Host) Run() Report {
	findings := []Finding{}
	findings = append(findings, h.criu()...)
	findings = append(findings, h.runtime(), h.handler(), h.service(), h.cgroup(), h.kernel())
	findings = append(findings, h.ioUring(), h.mptcp(), h.space())
	findings = append(findings, h.gpu()...)
	return Report{findings}
}

func (h Host) criu() []Finding {
	text, err := h.Output("criu", "--version")
	if err != nil {
		return []Finding{{"criu", Failed, "CRIU does not run: " + err.Error(), "Install CRIU in a directory of the service's PATH, as /usr/local/sbin."}}
	}
	version := "of unknown version"
	if _, after, found := strings.Cut(text, "Version: "); found {
		version, _, _ = strings.Cut(after, "\n")
	}
	findings := []Finding{{"criu", OK, "CRIU " + version, ""}}
	if output, err := h.Output("criu", "check"); err != nil {
		findings[0] = Finding{"criu", Failed, "criu check failed: " + lastLine(output, err), "Use a kernel with the options that CRIU needs."}
	}
	features := []struct{ check, feature, without, remedy string }{
		{"softDirty", "mem_dirty_track", "The kernel does not track changed memory: no pre-dumps, so all of it is dumped in the freeze.", "Use a kernel with CONFIG_MEM_SOFT_DIRTY."},
		{"userfaultfd", "uffd-noncoop", "The kernel has no userfaultfd: no lazy restore.", "Use a kernel with CONFIG_USERFAULTFD."},
	}
	for _, each := range features {
		if _, err := h.Output("criu", "check", "--feature", each.feature); err != nil {
			findings = append(findings, Finding{each.check, Warning, each.without, each.remedy})
		} else {
			findings = append(findings, Finding{each.check, OK, "the kernel has " + each.feature, ""})
		}
	}
	return findings
}

func lastLine(output string, err error) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	if line := lines[len(lines)-1]; line != "" {
		return line[:min(len(line), 200)]
	}
	return err.Error()
}

func (h Host) runtime() Finding {
	path, err := h.Runtime()
	if err != nil {
		return Finding{"runtime", Failed, err.Error(), "Write the path of runc to /etc/cedana-cdk/runtime."}
	}
	text, err := h.Output(path, "--version")
	// NVIDIA's runtime writes its own version first.
	for line := range strings.Lines(text) {
		if err == nil && strings.HasPrefix(line, "runc version ") {
			return Finding{"runtime", OK, path + ": " + strings.TrimSpace(line), ""}
		}
	}
	return Finding{"runtime", Failed, path + " is neither runc nor calls it", "Write the path of runc to /etc/cedana-cdk/runtime."}
}

func (h Host) handler() Finding {
	const remedy = "Add a runtime handler to containerd's configuration at boot: BinaryName with the wrapper, pod_annotations with cedana.ai/*."
	text, err := h.Output("containerd", "config", "dump")
	if err != nil {
		return Finding{"handler", Failed, "containerd config dump: " + lastLine(text, err), remedy}
	}
	for _, each := range handlers(text) {
		if filepath.Base(each.binary) != wrapper.Name {
			continue
		}
		if _, err := os.Stat(h.path(each.binary)); err != nil {
			return Finding{"handler", Failed, "handler " + each.name + ": " + each.binary + " does not exist", "Install the wrapper at this path. Pods of the handler cannot start or stop without it."}
		}
		if !each.annotations {
			return Finding{"handler", Failed, "handler " + each.name + " does not pass annotations of pods", remedy}
		}
		return Finding{"handler", OK, "handler " + each.name + " runs " + each.binary, ""}
	}
	return Finding{"handler", Failed, "no runtime handler of containerd runs " + wrapper.Name, remedy}
}

func (h Host) service() Finding {
	if err := h.Service(); err != nil {
		return Finding{"service", Failed, "the service does not answer: " + err.Error(), "Start " + service.Name + "; see its journal."}
	}
	return Finding{"service", OK, service.Name + " answers", ""}
}

func (h Host) cgroup() Finding {
	if controllers, found := h.read("sys/fs/cgroup/cgroup.controllers"); found && controllers != "" {
		return Finding{"cgroup", OK, "cgroup v2", ""}
	}
	if info, err := os.Stat(h.path("sys/fs/cgroup/freezer")); err == nil && info.IsDir() {
		return Finding{"cgroup", OK, "cgroup v1 with a freezer", ""}
	}
	return Finding{"cgroup", Failed, "no cgroup hierarchy with a freezer is mounted", "Mount cgroup2 at /sys/fs/cgroup."}
}

func (h Host) kernel() Finding {
	release, found := h.read("proc/sys/kernel/osrelease")
	if !found {
		return Finding{"kernel", Failed, "cannot read the kernel's release", "Mount /proc."}
	}
	return Finding{"kernel", OK, "Linux " + release, ""}
}

func (h Host) ioUring() Finding {
	if value, found := h.read("proc/sys/kernel/io_uring_disabled"); found && value == "0" {
		return Finding{"ioUring", Warning, "io_uring is permitted; CRIU cannot dump processes that use it", "Set kernel.io_uring_disabled=2 if no program of the node needs it."}
	}
	return Finding{"ioUring", OK, "io_uring is restricted or not built in", ""}
}

func (h Host) mptcp() Finding {
	if value, found := h.read("proc/sys/net/mptcp/enabled"); found && value == "1" {
		return Finding{"mptcp", Warning, "MPTCP is enabled; CRIU cannot dump its sockets, and Go programs listen with it by default", "Set GODEBUG=multipathtcp=0 in containers, or net.mptcp.enabled=0 in pods."}
	}
	return Finding{"mptcp", OK, "MPTCP is disabled or not built in", ""}
}

// gpu returns no finding for a node without NVIDIA's driver.
func (h Host) gpu() []Finding {
	driver := cuda.ReadDriver(h.Root)
	if driver.Version == "" {
		return nil
	}
	message := "NVIDIA's driver " + driver.Version
	if h.CUDACheckpoint() == "" {
		return []Finding{{"gpu", Warning, message + "; no cuda-checkpoint, so containers that use a GPU cannot be checkpointed", "Build the node agent image with --cuda-checkpoint."}}
	}
	return []Finding{{"gpu", OK, message + "; " + string(h.CUDACheckpoint()), ""}}
}

// lowSpace is below what a checkpoint of a small pod needs; large pods need their memory.
const lowSpace = 1 << 30

func (h Host) space() Finding {
	directory := filepath.Dir(service.Checkpoints)
	var stat unix.Statfs_t
	for unix.Statfs(h.path(directory), &stat) != nil && directory != "/" {
		directory = filepath.Dir(directory)
	}
	free := int64(stat.Bavail) * stat.Bsize
	message := fmt.Sprintf("%d MiB are free for checkpoints", free>>20)
	if free < lowSpace {
		return Finding{"space", Warning, message, "Use a larger disk for " + filepath.Dir(service.Checkpoints) + "."}
	}
	return Finding{"space", OK, message, ""}
}
