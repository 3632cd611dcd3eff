package restore

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/oci"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

const podPath = "/var/lib/kubelet/pods/pod-1"

func sample() *specs.Spec {
	return &specs.Spec{
		Process: &specs.Process{
			User:         specs.User{UID: 1000, GID: 1000, AdditionalGids: []uint32{5}},
			Capabilities: &specs.LinuxCapabilities{Bounding: []string{"CAP_CHOWN", "CAP_KILL"}, Permitted: []string{"CAP_KILL"}},
		},
		Root: &specs.Root{Path: "rootfs"},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/data", Type: "bind", Source: podPath + "/" + emptyDir + "/data"},
			{Destination: "/etc/hosts", Type: "bind", Source: podPath + "/etc-hosts"},
		},
		Linux: &specs.Linux{
			CgroupsPath: "/cedana-test/pod-1/x",
			Namespaces:  []specs.LinuxNamespace{{Type: "network", Path: "/proc/self/exe"}, {Type: "ipc"}, {Type: "uts"}, {Type: "pid"}, {Type: "mount"}},
			Seccomp:     &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}, MaskedPaths: []string{"/proc/acpi"},
		},
	}
}

func sampleContainer() *checkpoint.Container {
	return &checkpoint.Container{
		Name: "app", Security: checkpoint.SecurityOf(sample()), Mounts: checkpoint.MountsOf(sample(), podPath, []string{"data"}),
	}
}

func TestAnEqualContainerIsRestored(t *testing.T) {
	if err := compareContainer(sampleContainer(), sample()); err != nil {
		t.Error(err)
	}
}

// A pod that permits more than the checkpoint has is no danger: the restored process keeps what it had.
func TestAPodMayPermitMore(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){
		"capabilities": func(s *specs.Spec) {
			s.Process.Capabilities.Bounding = append(s.Process.Capabilities.Bounding, "CAP_SYS_ADMIN")
		},
		"seccomp": func(s *specs.Spec) { s.Linux.Seccomp = nil },
	} {
		spec := sample()
		change(spec)
		if err := compareContainer(sampleContainer(), spec); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	source := sampleContainer()
	source.Security.NoNewPrivileges, source.Security.ReadonlyRoot, source.Security.AppArmor = true, true, "profile"
	source.Mounts[1].ReadOnly = true
	if err := compareContainer(source, sample()); err != nil {
		t.Error(err)
	}
}

func TestAPodThatPermitsLessIsRefused(t *testing.T) {
	for want, change := range map[string]func(*specs.Spec){
		"the user is":       func(s *specs.Spec) { s.Process.User.UID = 0 },
		"the group is":      func(s *specs.Spec) { s.Process.User.GID = 0 },
		"additional groups": func(s *specs.Spec) { s.Process.User.AdditionalGids = nil },
		"no_new_privs":      func(s *specs.Spec) { s.Process.NoNewPrivileges = true },
		"read-only root":    func(s *specs.Spec) { s.Root.Readonly = true },
		"seccomp":           func(s *specs.Spec) { s.Linux.Seccomp.DefaultAction = specs.ActKill },
		"AppArmor":          func(s *specs.Spec) { s.Process.ApparmorProfile = "profile" },
		"SELinux":           func(s *specs.Spec) { s.Process.SelinuxLabel = "label" },
		"masked paths":      func(s *specs.Spec) { s.Linux.MaskedPaths = nil },
		"read-only paths":   func(s *specs.Spec) { s.Linux.ReadonlyPaths = []string{"/proc/sys"} },
		"a user namespace": func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "user"})
		},
		"CAP_KILL":                       func(s *specs.Spec) { s.Process.Capabilities.Bounding = []string{"CAP_CHOWN"} },
		"CAP_KILL, which the checkpoint": func(s *specs.Spec) { s.Process.Capabilities.Permitted = nil },
		"tty":                            func(s *specs.Spec) { s.Process.Terminal = true },
		"the node's network namespace":   func(s *specs.Spec) { s.Linux.Namespaces = s.Linux.Namespaces[1:] },
		"the node's ipc namespace":       func(s *specs.Spec) { s.Linux.Namespaces[1].Path = "/proc/self/ns/ipc" },
		"the node's uts namespace":       func(s *specs.Spec) { s.Linux.Namespaces[2].Path = "/proc/self/ns/uts" },
		"the node's pid namespace":       func(s *specs.Spec) { s.Linux.Namespaces[3].Path = "/proc/self/ns/pid" },
		"container's network namespace":  func(s *specs.Spec) { s.Linux.Namespaces[0].Path = "/proc/0/ns/net" },
		"no mount at /proc":              func(s *specs.Spec) { s.Mounts = s.Mounts[1:] },
		"no mount at /more":              func(s *specs.Spec) { s.Mounts = append(s.Mounts, specs.Mount{Destination: "/more", Type: "bind"}) },
		"type tmpfs":                     func(s *specs.Spec) { s.Mounts[2].Type = "tmpfs" },
		"is read-only":                   func(s *specs.Spec) { s.Mounts[1].Options = []string{"ro"} },
		"not the emptyDir data":          func(s *specs.Spec) { s.Mounts[1].Source = "/var/lib/other" },
	} {
		spec := sample()
		change(spec)
		if err := compareContainer(sampleContainer(), spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

func TestCompareNode(t *testing.T) {
	here := Node{Architecture: "amd64", Cgroup: "v2", CPUFeatures: []string{"avx2", "fpu"}}
	source := checkpoint.Node{Architecture: "amd64", Cgroup: "v2", CPUFeatures: []string{"avx2", "vmx", "retbleed"}}
	if err := compareNode(source, here); err != nil {
		t.Errorf("flags that no program uses: %v", err)
	}
	for want, change := range map[string]func(*checkpoint.Node){
		"architecture":            func(n *checkpoint.Node) { n.Architecture = "arm64" },
		"cgroup v2":               func(n *checkpoint.Node) { n.Cgroup = "v1" },
		"lacks amx_bf16, avx512f": func(n *checkpoint.Node) { n.CPUFeatures = []string{"avx512f", "avx2", "amx_bf16"} },
	} {
		changed := source
		change(&changed)
		if err := compareNode(changed, here); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
	other := checkpoint.Node{Architecture: "amd64", Cgroup: "v1", CPUFeatures: []string{"avx512f"}}
	want := "the node has cgroup v2, at the checkpoint it had v1; the processor lacks avx512f"
	if err := compareNode(other, here); err == nil || err.Error() != want {
		t.Errorf("several differences: got %v", err)
	}
}

func TestFeaturesThatProgramsUse(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the names are those of amd64")
	}
	for flag, want := range map[string]bool{
		"avx512f": true, "xsavec": true, "ospke": true, "cmpccxadd": true, "rdpru": true, "mwaitx": true, "apx": true,
		// pku without ospke: the kernel has not turned it on. The others are of the kernel alone, or make copies faster.
		"pku": false, "pcid": false, "invpcid": false, "xsaves": false, "erms": false, "fsrm": false, "svm": false, "la57": false,
	} {
		if usedByPrograms(flag) != want {
			t.Errorf("%s: want %t", flag, want)
		}
	}
}

func TestVolumesOfAPod(t *testing.T) {
	for source, want := range map[string]string{
		podPath + "/" + emptyDir + "/data":     podPath + "/" + emptyDir + "/data",
		podPath + "/" + emptyDir + "/data/a/b": podPath + "/" + emptyDir + "/data",
		// A subPath of another kind of volume has the same form.
		podPath + "/volume-subpaths/data/app/0":               "",
		"/var/lib/kubelet/pods/pod-2/" + emptyDir + "/data":   "",
		podPath + "/volumes/kubernetes.io~configmap/settings": "",
		"/etc": "",
	} {
		if got := volumePath(source, "pod-1"); got != want {
			t.Errorf("%s: got %q", source, got)
		}
	}
}

// The configuration of a container comes from its pod: no text of it may end the wrapper, or be taken for another one.
func FuzzCompare(f *testing.F) {
	text, err := json.Marshal(sample())
	must(f, err)
	f.Add(text)
	f.Add([]byte(`{"process":{},"root":{},"linux":{"seccomp":{}},"mounts":[{"destination":"/dev/shm","type":"bind"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		spec, err := oci.ParseConfig(text)
		if err != nil {
			return
		}
		want := sampleContainer()
		if compareContainer(want, spec) == nil {
			// Equal in all that must be equal, and permitted in the rest.
			here := checkpoint.SecurityOf(spec)
			if here.UID != want.Security.UID || here.GID != want.Security.GID || here.Seccomp != want.Security.Seccomp && here.Seccomp != checkpoint.Unconfined {
				t.Errorf("%s is restored as %+v", text, here)
			}
		}
		for _, mount := range checkpoint.MountsOf(spec, podPath, []string{"data"}) {
			if mount.Volume != "" && mount.Volume != "data" {
				t.Errorf("%s has the volume %s", text, mount.Volume)
			}
		}
		volumePath(sourceOf(spec, "/data"), "pod-1")
		sharedMemory(spec)
	})
}
