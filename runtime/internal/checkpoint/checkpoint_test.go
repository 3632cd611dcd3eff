package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// sampleSpec has lists in an order that is not sorted.
func sampleSpec() *specs.Spec {
	return &specs.Spec{
		Process: &specs.Process{
			User:            specs.User{UID: 1000, GID: 1001, AdditionalGids: []uint32{30, 20, 30}},
			Capabilities:    &specs.LinuxCapabilities{Bounding: []string{"CAP_KILL", "CAP_CHOWN"}},
			NoNewPrivileges: true,
		},
		Root: &specs.Root{Readonly: true},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"ro", "rw"}},
			{Destination: "/data/", Type: "bind", Source: "/var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir/data", Options: []string{"rbind", "ro"}},
			{Destination: "/sub", Type: "bind", Source: "/var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir/data/x"},
			{Destination: "/part", Type: "bind", Source: "/var/lib/kubelet/pods/u/volume-subpaths/data/app/0"},
			{Destination: "/claim", Type: "bind", Source: "/var/lib/kubelet/pods/u/volume-subpaths/claim/app/1"},
			{Destination: "/other", Type: "bind", Source: "/var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir/data2"},
		},
		Linux: &specs.Linux{
			MaskedPaths: []string{"/proc/keys", "/proc/acpi"},
			Seccomp:     &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, ListenerPath: "/run/a"},
		},
	}
}

const samplePod = "/var/lib/kubelet/pods/u"

// write creates the directory of a valid checkpoint.
func write(t testing.TB) (*os.Root, *Checkpoint) {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	content := map[string]string{
		"containers/app/images/inventory.img": "i", "containers/app/images/pages-1.img": "pages",
		"containers/app/rootfs.tar": "tar", "volumes/data.tar": "volume", "shm.tar": "",
	}
	for name, text := range content {
		if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := root.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	archive := func(name string) Archive {
		stored, err := ArchiveOf(root, name)
		if err != nil {
			t.Fatal(err)
		}
		return stored
	}
	entry := func(name string) FileEntry {
		a := archive("containers/app/" + name)
		return FileEntry{name, a}
	}
	shm := archive("shm.tar")
	c := &Checkpoint{
		Version: Version, UID: "3f7a", CreatedAt: time.Unix(1700000000, 0).UTC(),
		Pod:  Pod{"9b1c", "shop", "web-0"},
		Node: Node{Kernel: "6.18.44", Architecture: "amd64", CPUFeatures: []string{"avx", "sse2"}, Cgroup: "v2", CRIU: "4.2.1", Runc: "1.4.3"},
		TCP:  TCPClose, PodIPs: []string{"10.0.0.1", "fd00::1"}, Hostname: "web-0",
		Containers: []Container{{
			Name: "app", Image: "sha256:" + strings.Repeat("a", 64), Security: SecurityOf(sampleSpec()),
			Mounts: MountsOf(sampleSpec(), samplePod, []string{"data"}),
			Files:  []FileEntry{entry("images/inventory.img"), entry("images/pages-1.img"), entry("rootfs.tar")},
		}},
		Volumes: []Volume{{"data", archive("volumes/data.tar")}}, SharedMemory: &shm, FrozenNanoseconds: 5,
	}
	if err := Write(root, c); err != nil {
		t.Fatal(err)
	}
	return root, c
}

func TestReadReturnsWhatWriteWrote(t *testing.T) {
	root, want := write(t)
	got, err := Read(root)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if err := got.Verify(root); err != nil {
		t.Error(err)
	}
}

func TestMountsGetTheNameOfTheirVolume(t *testing.T) {
	want := []Mount{
		{"/proc", "proc", "", false}, {"/data", "bind", "data", true}, {"/sub", "bind", "data", false},
		{"/part", "bind", "data", false}, {"/claim", "bind", "", false}, {"/other", "bind", "", false},
	}
	if got := MountsOf(sampleSpec(), samplePod, []string{"data"}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestSecurityComparesAsEqualWhateverTheOrder(t *testing.T) {
	other := sampleSpec()
	other.Process.User.AdditionalGids = []uint32{20, 30}
	other.Process.Capabilities.Bounding = []string{"CAP_CHOWN", "CAP_KILL"}
	other.Linux.MaskedPaths = []string{"/proc/acpi", "/proc/keys"}
	other.Linux.Seccomp.ListenerPath = "/run/b"
	if !reflect.DeepEqual(SecurityOf(other), SecurityOf(sampleSpec())) {
		t.Error("the order of lists changed the result")
	}
	changes := map[string]func(*specs.Spec){
		"uid":      func(s *specs.Spec) { s.Process.User.UID = 0 },
		"groups":   func(s *specs.Spec) { s.Process.User.AdditionalGids = nil },
		"bounding": func(s *specs.Spec) { s.Process.Capabilities.Bounding = []string{"CAP_KILL"} },
		"ambient":  func(s *specs.Spec) { s.Process.Capabilities.Ambient = []string{"CAP_KILL"} },
		"nnp":      func(s *specs.Spec) { s.Process.NoNewPrivileges = false },
		"seccomp":  func(s *specs.Spec) { s.Linux.Seccomp = nil },
		"action":   func(s *specs.Spec) { s.Linux.Seccomp.DefaultAction = specs.ActAllow },
		"apparmor": func(s *specs.Spec) { s.Process.ApparmorProfile = "x" },
		"selinux":  func(s *specs.Spec) { s.Process.SelinuxLabel = "x" },
		"root":     func(s *specs.Spec) { s.Root.Readonly = false },
		"masked":   func(s *specs.Spec) { s.Linux.MaskedPaths = nil },
		"readonly": func(s *specs.Spec) { s.Linux.ReadonlyPaths = []string{"/proc/sys"} },
		"userns":   func(s *specs.Spec) { s.Linux.Namespaces = []specs.LinuxNamespace{{Type: "user"}} },
	}
	for name, change := range changes {
		spec := sampleSpec()
		change(spec)
		if reflect.DeepEqual(SecurityOf(spec), SecurityOf(sampleSpec())) {
			t.Errorf("%s: a change is not seen", name)
		}
	}
}

func TestVerifyRejectsADirectoryThatDiffers(t *testing.T) {
	for want, change := range map[string]func(*os.Root) error{
		"is not named": func(r *os.Root) error { return r.WriteFile("containers/app/images/more.img", nil, 0o600) },
		"is missing":   func(r *os.Root) error { return r.Remove("volumes/data.tar") },
		"has 6 bytes": func(r *os.Root) error {
			return r.WriteFile("containers/app/images/pages-1.img", []byte("longer"), 0o600)
		},
		"volumes/data.tar is not a regular file": func(r *os.Root) error {
			return errors.Join(r.Remove("volumes/data.tar"), r.Symlink("/etc/passwd", "volumes/data.tar"))
		},
		"shm.tar is not a regular file": func(r *os.Root) error {
			return errors.Join(r.Remove("shm.tar"), unix.Mkfifo(filepath.Join(r.Name(), "shm.tar"), 0o600))
		},
	} {
		root, c := write(t)
		if err := change(root); err != nil {
			t.Fatal(err)
		}
		if err := c.Verify(root); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

// addPass adds files of a pre-dump: of the last pass, 1, or of the one before.
func addPass(c *Checkpoint, pass int) {
	set := Images + strings.Repeat("/"+Parent, pass)
	for _, each := range []string{"pages-1.img", "inventory.img"} {
		c.Containers[0].Files = append(c.Containers[0].Files, FileEntry{set + "/" + each, Archive{1, strings.Repeat("a", 8)}})
	}
}

func TestParseAcceptsThePassesOfPreDumps(t *testing.T) {
	_, c := write(t)
	for pass := 1; pass <= MaxPasses; pass++ {
		addPass(c, pass)
		c.PreDump = &PreDump{Passes: pass, FrozenNanoseconds: 5}
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
	}
	c.PreDump.Reason = "PreDumpFailed"
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestVerifyRejectsALinkInPlaceOfAPass(t *testing.T) {
	root, c := write(t)
	elsewhere := t.TempDir()
	addPass(c, 1)
	c.PreDump = &PreDump{Passes: 1}
	for _, each := range []string{"pages-1.img", "inventory.img"} {
		if err := os.WriteFile(filepath.Join(elsewhere, each), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, target := range []string{elsewhere, "../images"} {
		if err := root.Symlink(target, "containers/app/images/parent"); err != nil {
			t.Fatal(err)
		}
		if err := c.Verify(root); err == nil || !strings.Contains(err.Error(), "images/parent is not named") {
			t.Errorf("%s: got %v", target, err)
		}
		if err := root.Remove("containers/app/images/parent"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestParseRejectsInvalidFields(t *testing.T) {
	for field, change := range map[string]func(*Checkpoint){
		"version":      func(c *Checkpoint) { c.Version = 2 },
		"uid":          func(c *Checkpoint) { c.UID = "../x" },
		"pod.uid":      func(c *Checkpoint) { c.Pod.UID = "" },
		"namespace":    func(c *Checkpoint) { c.Pod.Namespace = "a/b" },
		"pod.name":     func(c *Checkpoint) { c.Pod.Name = "../a" },
		"createdAt":    func(c *Checkpoint) { c.CreatedAt = time.Time{} },
		"tcp":          func(c *Checkpoint) { c.TCP = "keep" },
		"podIPs":       func(c *Checkpoint) { c.PodIPs = []string{"10.0.0.1/24"} },
		"hostname":     func(c *Checkpoint) { c.Hostname = "a b" },
		"architecture": func(c *Checkpoint) { c.Node.Architecture = "x86" },
		"cgroup":       func(c *Checkpoint) { c.Node.Cgroup = "" },
		"containers":   func(c *Checkpoint) { c.Containers = nil },
		"named twice":  func(c *Checkpoint) { c.Containers = append(c.Containers, c.Containers[0]) },
		"volume":       func(c *Checkpoint) { c.Volumes[0].Name = "a/b" },
		"image":        func(c *Checkpoint) { c.Containers[0].Image = "busybox" },
		"seccomp":      func(c *Checkpoint) { c.Containers[0].Security.Seccomp = "" },
		"absolute":     func(c *Checkpoint) { c.Containers[0].Mounts[0].Destination = "data" },
		"not in the":   func(c *Checkpoint) { c.Volumes = nil },
		"file":         func(c *Checkpoint) { c.Containers[0].Files[1].Path = "images/../../x" },
		"file \"imag":  func(c *Checkpoint) { c.Containers[0].Files[1].Path = "images/.hidden" },
		"size":         func(c *Checkpoint) { c.Containers[0].Files[1].Size = -1 },
		"crc32c":       func(c *Checkpoint) { c.SharedMemory.CRC32C = "00" },
		"inventory":    func(c *Checkpoint) { c.Containers[0].Files = c.Containers[0].Files[1:] },
		"frozen":       func(c *Checkpoint) { c.FrozenNanoseconds = -1 },
		"passes":       func(c *Checkpoint) { c.PreDump = &PreDump{Passes: 3} },
		"preDump.fro":  func(c *Checkpoint) { c.PreDump = &PreDump{Passes: 1, FrozenNanoseconds: 6} },
		"preDump.rea":  func(c *Checkpoint) { c.PreDump = &PreDump{} },
		"preDump.mes":  func(c *Checkpoint) { c.PreDump = &PreDump{Reason: "Off", Message: "a\nb"} },
		"number of":    func(c *Checkpoint) { c.PreDump = &PreDump{Passes: 1} },
		"parent, 1":    func(c *Checkpoint) { addPass(c, 1) },
		"images/parent/parent has no inventory": func(c *Checkpoint) {
			addPass(c, 1)
			addPass(c, 2)
			c.Containers[0].Files = c.Containers[0].Files[:len(c.Containers[0].Files)-1]
			c.Containers[0].Files[len(c.Containers[0].Files)-1].Path = "images/parent/parent/x.img"
		},
		"images/parent has no inventory": func(c *Checkpoint) { addPass(c, 2) },
		"file \"images/parent/parent/parent": func(c *Checkpoint) {
			addPass(c, 1)
			addPass(c, 2)
			addPass(c, 3)
		},
		// CRIU opens a directory by this name.
		"file \"images/parent\"": func(c *Checkpoint) { c.Containers[0].Files[1].Path = "images/parent" },
		"file \"images/other":    func(c *Checkpoint) { c.Containers[0].Files[1].Path = "images/other/pages-1.img" },
		"bounding":               func(c *Checkpoint) { c.Containers[0].Security.Capabilities.Bounding = []string{"a\nb"} },
	} {
		_, c := write(t)
		change(c)
		data, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(bytes.NewReader(data)); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("got %v, want an error with %q", err, field)
		}
	}
}

func FuzzParse(f *testing.F) {
	_, c := write(f)
	data, err := json.Marshal(c)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"version":1,"containers":[{"name":"a","files":[{"path":"images/x","size":1,"crc32c":""}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(bytes.NewReader(data))
		if err != nil {
			return
		}
		for name := range c.Paths() {
			if !filepath.IsLocal(name) {
				t.Errorf("the path %q leaves the directory", name)
			}
		}
	})
}
