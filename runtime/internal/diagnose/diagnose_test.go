package diagnose

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cedana.ai/cdk/runtime/internal/cuda"
)

// dump is a part of the output of `containerd config dump` of containerd 2.1 with a handler of the wrapper.
const dump = `version = 3
[plugins]
  [plugins.'io.containerd.cri.v1.runtime']
    [plugins.'io.containerd.cri.v1.runtime'.containerd]
      default_runtime_name = 'runc'
      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes]
        [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.cedana]
          runtime_type = 'io.containerd.runc.v2'
          pod_annotations = ['cedana.ai/*', "other"]
          [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.cedana.options]
            BinaryName = '/usr/local/bin/cedana-runc'
            SystemdCgroup = true
        [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
          runtime_type = 'io.containerd.runc.v2'
          [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
            BinaryName = ''
    [plugins.'io.containerd.cri.v1.runtime'.cni]
      BinaryName = 'none'
`

// node returns a Host on which all checks pass.
func node(t *testing.T) Host {
	root := t.TempDir()
	for name, text := range map[string]string{
		"sys/fs/cgroup/cgroup.controllers": "cpu memory", "proc/sys/kernel/osrelease": "6.1.0",
		"proc/sys/kernel/io_uring_disabled": "2", "proc/sys/net/mptcp/enabled": "0", "usr/local/bin/cedana-runc": "", "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.159.04  Tue",
	} {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text+"\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return Host{
		Root:           root,
		Runtime:        func() (string, error) { return "/usr/sbin/runc", nil },
		Service:        func() error { return nil },
		CUDACheckpoint: func() cuda.Tool { return "/usr/bin/cuda-checkpoint" },
		Output: func(program string, args ...string) (string, error) {
			switch strings.Join(append([]string{filepath.Base(program)}, args...), " ") {
			case "criu --version":
				return "Version: 4.2.1\n", nil
			case "runc --version":
				return "NVIDIA Container Runtime version 1.17.8\nspec: 1.2.0\n\nrunc version 1.4.3\ncommit: x\n", nil
			case "containerd config dump":
				return dump, nil
			}
			return "", nil
		},
	}
}

// status returns the status of each check.
func status(report Report) map[string]string {
	found := map[string]string{}
	for _, each := range report.Findings {
		found[each.Check] = each.Status
	}
	return found
}

func TestAllChecksPassOnACompleteNode(t *testing.T) {
	report := node(t).Run()
	for check, got := range status(report) {
		// The disk of this machine can be small.
		if got != OK && check != "space" {
			t.Errorf("%s is %s", check, got)
		}
	}
	if report.Failed() || len(report.Findings) != 12 {
		t.Errorf("got %+v", report)
	}
}

func TestANodeWithoutADriverHasNoFindingOfGPUs(t *testing.T) {
	h := node(t)
	if err := os.RemoveAll(filepath.Join(h.Root, "proc/driver")); err != nil {
		t.Fatal(err)
	}
	if got, found := status(h.Run())["gpu"]; found {
		t.Errorf("got %s", got)
	}
}

func TestEachGapIsReportedWithARemedy(t *testing.T) {
	without := func(program string, args ...string) func(*Host) {
		return func(h *Host) {
			all, want := h.Output, program+" "+strings.Join(args, " ")
			h.Output = func(program string, args ...string) (string, error) {
				if filepath.Base(program)+" "+strings.Join(args, " ") == want {
					return "the reason", errors.New("exit status 1")
				}
				return all(program, args...)
			}
		}
	}
	file := func(name, text string) func(*Host) {
		return func(h *Host) { _ = os.WriteFile(filepath.Join(h.Root, name), []byte(text), 0o600) }
	}
	replaced := func(old, new string) func(*Host) {
		return func(h *Host) {
			all := h.Output
			h.Output = func(program string, args ...string) (string, error) {
				text, err := all(program, args...)
				return strings.ReplaceAll(text, old, new), err
			}
		}
	}
	for _, each := range []struct {
		check, want string
		change      func(*Host)
	}{
		{"criu", Failed, without("criu", "--version")},
		{"criu", Failed, without("criu", "check")},
		{"softDirty", Warning, without("criu", "check", "--feature", "mem_dirty_track")},
		{"userfaultfd", Warning, without("criu", "check", "--feature", "uffd-noncoop")},
		{"runtime", Failed, func(h *Host) { h.Runtime = func() (string, error) { return "", errors.New("none") } }},
		{"runtime", Failed, replaced("runc version", "crun version")},
		{"handler", Failed, without("containerd", "config", "dump")},
		{"handler", Failed, replaced("cedana-runc", "other")},
		{"handler", Failed, replaced("'cedana.ai/*', ", "")},
		{"handler", Failed, func(h *Host) { _ = os.Remove(filepath.Join(h.Root, "usr/local/bin/cedana-runc")) }},
		{"service", Failed, func(h *Host) { h.Service = func() error { return errors.New("no socket") } }},
		{"cgroup", Failed, func(h *Host) { _ = os.RemoveAll(filepath.Join(h.Root, "sys")) }},
		{"kernel", Failed, func(h *Host) { _ = os.RemoveAll(filepath.Join(h.Root, "proc")) }},
		{"gpu", Warning, func(h *Host) { h.CUDACheckpoint = func() cuda.Tool { return "" } }},
		{"ioUring", Warning, file("proc/sys/kernel/io_uring_disabled", "0\n")},
		{"mptcp", Warning, file("proc/sys/net/mptcp/enabled", "1\n")},
	} {
		h := node(t)
		each.change(&h)
		report := h.Run()
		for _, finding := range report.Findings {
			if finding.Check == each.check && (finding.Status != each.want || finding.Remedy == "") {
				t.Errorf("%s: got %+v, want %s", each.check, finding, each.want)
			}
			if finding.Check != each.check && finding.Status == Failed {
				t.Errorf("%s: also %+v", each.check, finding)
			}
		}
		if report.Failed() != (each.want == Failed) {
			t.Errorf("%s: failed is %v", each.check, report.Failed())
		}
	}
}

func TestOutputFormats(t *testing.T) {
	report := Report{[]Finding{{"criu", OK, "CRIU 4", ""}, {"mptcp", Warning, "on", "off"}}}
	var text, data bytes.Buffer
	if err := errors.Join(report.write(&text, "text"), report.write(&data, "json")); err != nil {
		t.Fatal(err)
	}
	if want := "ok       criu         CRIU 4\nwarning  mptcp        on\n                      off\n"; text.String() != want {
		t.Errorf("got %q", text.String())
	}
	var read Report
	if err := json.Unmarshal(data.Bytes(), &read); err != nil || len(read.Findings) != 2 || read.Findings[1] != report.Findings[1] {
		t.Errorf("got %+v, %v", read, err)
	}
}

func FuzzHandlers(f *testing.F) {
	f.Add(dump)
	f.Add("[plugins.\"x\".containerd.runtimes.\"a b\"]\npod_annotations = [\n'cedana.ai/*']")
	f.Fuzz(func(t *testing.T, text string) {
		for _, each := range handlers(text) {
			if each.name == "" {
				t.Errorf("a handler without a name in %q", text)
			}
		}
	})
}
