package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

var now = time.Unix(1_700_000_000, 0).UTC()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lay creates the directory of a pod with a plan and the checkpoint of a container app, and returns base and path.
func lay(t testing.TB, change func(*Plan)) (base, path string) {
	t.Helper()
	base = t.TempDir()
	must(t, os.Chmod(base, 0o700))
	path = filepath.Join(base, "pod-1")
	images := filepath.Join(path, "cp", "containers/app/images")
	must(t, os.MkdirAll(images, 0o700))
	must(t, os.WriteFile(filepath.Join(images, "inventory.img"), []byte("inventory"), 0o600))
	must(t, os.WriteFile(filepath.Join(images, "pages-1.img"), []byte("pages"), 0o600))
	inside, err := os.OpenRoot(filepath.Join(path, "cp"))
	must(t, err)
	defer inside.Close()
	c := checkpoint.Checkpoint{
		Version: 1, UID: "cp", CreatedAt: now, TCP: checkpoint.TCPClose, Pod: checkpoint.Pod{UID: "p", Namespace: "n", Name: "p"},
		Node:       checkpoint.Node{Kernel: "6.1", Architecture: "amd64", Cgroup: "v1", CRIU: "4.2", Runc: "1.3.6"},
		Containers: []checkpoint.Container{{Name: "app", Security: checkpoint.SecurityOf(&specs.Spec{})}},
	}
	for _, name := range []string{"images/inventory.img", "images/pages-1.img"} {
		stored, err := checkpoint.ArchiveOf(inside, "containers/app/"+name)
		must(t, err)
		c.Containers[0].Files = append(c.Containers[0].Files, checkpoint.FileEntry{Path: name, Archive: stored})
	}
	must(t, checkpoint.Write(inside, &c))
	plan := Plan{PodUID: "pod-1", Checkpoint: "cp", Deadline: now, Fallback: FallbackFresh, Restart: RestartFresh}
	if change != nil {
		change(&plan)
	}
	must(t, Write(path, plan))
	return base, path
}

func open(t testing.TB, base string) *Pod {
	t.Helper()
	pod, err := Open(base, "pod-1")
	must(t, err)
	t.Cleanup(pod.Close)
	return pod
}

func TestVerifyAcceptsWhatWriteSealed(t *testing.T) {
	base, path := lay(t, nil)
	moved := filepath.Join(base, "pod-2")
	must(t, os.Rename(path, moved))
	must(t, os.Rename(moved, path))
	pod := open(t, base)
	plan, err := pod.Read()
	must(t, err)
	found, err := pod.Verify(plan)
	must(t, err)
	if len(plan.Seal) != 2 || found.Containers[0].Name != "app" {
		t.Errorf("got %+v, %+v", plan, found)
	}
}

// The seal must be worth as much as reading the file: a change that keeps size and times is found.
func TestVerifyFindsEveryChange(t *testing.T) {
	pages := "cp/containers/app/images/pages-1.img"
	for name, each := range map[string]struct {
		change func(path string) error
		want   string
	}{
		"content": {func(path string) error {
			info, err := os.Stat(filepath.Join(path, pages))
			return errors.Join(err, os.WriteFile(filepath.Join(path, pages), []byte("Pages"), 0o600),
				os.Chtimes(filepath.Join(path, pages), info.ModTime(), info.ModTime()))
		}, "another checksum"},
		"replaced": {func(path string) error {
			other := filepath.Join(path, "cp/other")
			return errors.Join(os.WriteFile(other, []byte("pageS"), 0o600), os.Rename(other, filepath.Join(path, pages)))
		}, "another checksum"},
		"added":   {func(path string) error { return os.WriteFile(filepath.Join(path, "cp/x"), nil, 0o600) }, "not named"},
		"removed": {func(path string) error { return os.Remove(filepath.Join(path, pages)) }, "missing"},
		"mode":    {func(path string) error { return os.Chmod(filepath.Join(path, pages), 0o622) }, "mode"},
		"folder":  {func(path string) error { return os.Chmod(filepath.Join(path, "cp/containers"), 0o777) }, "mode"},
		"link":    {func(path string) error { return os.Link(filepath.Join(path, pages), path+".link") }, "several names"},
		"symlink": {func(path string) error {
			return errors.Join(os.Remove(filepath.Join(path, pages)), os.Symlink("/etc/passwd", filepath.Join(path, pages)))
		}, "neither"},
		"metadata": {func(path string) error {
			file := filepath.Join(path, "cp", checkpoint.File)
			text, err := os.ReadFile(file)
			return errors.Join(err, os.WriteFile(file, bytes.Replace(text, []byte("6.1"), []byte("6.2"), 1), 0o600))
		}, "checkpoint.json has another"},
	} {
		base, path := lay(t, nil)
		must(t, each.change(path))
		pod := open(t, base)
		plan, err := pod.Read()
		must(t, err)
		if _, err = pod.Verify(plan); err == nil || !strings.Contains(err.Error(), each.want) {
			t.Errorf("%s: got %v, want %q", name, err, each.want)
		}
	}
}

func TestVerifyReadsFilesThatAreNotSealed(t *testing.T) {
	base, path := lay(t, nil)
	pod := open(t, base)
	plan, err := pod.Read()
	must(t, err)
	plan.Seal = nil
	if _, err := pod.Verify(plan); err != nil {
		t.Error(err)
	}
	must(t, os.WriteFile(filepath.Join(path, "cp/containers/app/images/pages-1.img"), []byte("Pages"), 0o600))
	if _, err := pod.Verify(plan); err == nil {
		t.Error("a changed file without a seal is accepted")
	}
}

func TestASealIsOfOneBoot(t *testing.T) {
	base, path := lay(t, nil)
	pages := filepath.Join(path, "cp/containers/app/images/pages-1.img")
	must(t, os.WriteFile(pages, []byte("Pages"), 0o600))
	pod := open(t, base)
	plan, err := pod.Read()
	must(t, err)
	info, err := os.Stat(pages)
	must(t, err)
	stat := info.Sys().(*syscall.Stat_t)
	plan.Seal["containers/app/images/pages-1.img"] = Sealed{Inode: stat.Ino, Changed: stat.Ctim.Nano()}
	if _, err := pod.Verify(plan); err != nil {
		t.Errorf("a sealed file was read: %v", err)
	}
	plan.Boot = "another"
	if _, err := pod.Verify(plan); err == nil {
		t.Error("the seal of another boot is accepted")
	}
}

func TestWriteRejectsADamagedCheckpoint(t *testing.T) {
	_, path := lay(t, nil)
	must(t, os.WriteFile(filepath.Join(path, "cp/containers/app/images/pages-1.img"), []byte("Pages"), 0o600))
	plan := Plan{PodUID: "pod-1", Checkpoint: "cp", Deadline: now, Fallback: FallbackFresh, Restart: RestartFresh}
	if err := Write(path, plan); err == nil {
		t.Error("no error")
	}
}

// What was compared while it was staged is not read a second time: 1 GB takes a second.
func TestWriteReadsOnlyFilesThatAreNotSealed(t *testing.T) {
	const pages = "containers/app/images/pages-1.img"
	_, path := lay(t, nil)
	must(t, os.WriteFile(filepath.Join(path, "cp", pages), []byte("Pages"), 0o600))
	root, err := os.OpenRoot(filepath.Join(path, "cp"))
	must(t, err)
	defer root.Close()
	sealed, err := SealOf(root, pages)
	must(t, err)
	plan := Plan{
		PodUID: "pod-1", Checkpoint: "cp", Deadline: now, Fallback: FallbackFresh, Restart: RestartFresh,
		Seal: map[string]Sealed{pages: sealed},
	}
	if err := Write(path, plan); err != nil {
		t.Errorf("a sealed file was read: %v", err)
	}
	must(t, os.WriteFile(filepath.Join(path, "cp", pages), []byte("PAGES"), 0o600))
	if err := Write(path, plan); err == nil {
		t.Error("a file that changed after its seal is accepted")
	}
}

func TestOpenAcceptsDirectoriesOfRootOnly(t *testing.T) {
	base, path := lay(t, nil)
	for name, mode := range map[string]os.FileMode{base: 0o722, path: 0o710} {
		info, err := os.Stat(name)
		must(t, err)
		must(t, os.Chmod(name, mode))
		if _, err := Open(base, "pod-1"); err == nil {
			t.Errorf("%s with mode %o is accepted", name, mode)
		}
		must(t, os.Chmod(name, info.Mode()))
	}
	must(t, os.Symlink("pod-1", filepath.Join(base, "linked")))
	for uid, want := range map[string]error{"linked": nil, "../x": nil, "": nil, "none": ErrNoPlan} {
		_, err := Open(base, uid)
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%q: got %v", uid, err)
		}
	}
	if os.Geteuid() == 0 {
		must(t, os.Chown(path, 65534, 0))
		if _, err := Open(base, "pod-1"); err == nil {
			t.Error("a directory of another user is accepted")
		}
	}
}

func TestReadRejectsAPlanOfAnotherPod(t *testing.T) {
	base, _ := lay(t, func(p *Plan) { p.PodUID = "pod-2" })
	if _, err := open(t, base).Read(); err == nil {
		t.Error("no error")
	}
}

func TestParseRejectsInvalidPlans(t *testing.T) {
	_, path := lay(t, nil)
	text, err := os.ReadFile(filepath.Join(path, File))
	must(t, err)
	for field, change := range map[string]func(*Plan){
		"version": func(p *Plan) { p.Version = 2 }, "podUID": func(p *Plan) { p.PodUID = "a/b" },
		"valid name": func(p *Plan) { p.Checkpoint = WorkDirectory }, "metadata": func(p *Plan) { p.Metadata.Size = 0 },
		"deadline": func(p *Plan) { p.Deadline = time.Time{} }, "fallback": func(p *Plan) { p.Fallback = "" },
		"restart": func(p *Plan) { p.Restart = "never" }, "restoreSeconds": func(p *Plan) { p.RestoreSeconds = 91 },
		"logBytes": func(p *Plan) { p.LogBytes = -1 }, "sha256": func(p *Plan) { p.Metadata.SHA256 = strings.Repeat("A", 64) },
	} {
		plan, err := Parse(bytes.NewReader(text))
		must(t, err)
		change(plan)
		changed, err := json.Marshal(plan)
		must(t, err)
		if _, err := Parse(bytes.NewReader(changed)); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
}

func FuzzPlan(f *testing.F) {
	_, path := lay(f, nil)
	text, err := os.ReadFile(filepath.Join(path, File))
	must(f, err)
	f.Add(text)
	f.Add([]byte(`{"version":1,"seal":{"a":{"inode":1}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		plan, err := Parse(bytes.NewReader(text))
		if err == nil && (plan.Validate() != nil || plan.RestoreLimit() <= 0 || plan.LogLimit() <= 0) {
			t.Errorf("accepted %+v", plan)
		}
	})
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"version":1,"decision":"fresh","containers":{"app":{"id":"x","phase":"Restored","attempts":1}}}`))
	f.Add([]byte(`{"version":1,"decision":"","volumes":{"/dev/shm":{"path":"/x","complete":true}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		state := &State{}
		if parseState(text, state) == nil {
			for _, each := range state.Volumes {
				if !filepath.IsAbs(each.Path) {
					t.Errorf("accepted %+v", each)
				}
			}
		}
	})
}

func TestStateSurvivesASave(t *testing.T) {
	base, _ := lay(t, nil)
	pod := open(t, base)
	state, err := pod.State()
	must(t, err)
	if state.Decision != Undecided {
		t.Errorf("got %+v", state)
	}
	state.Decision, state.Containers["app"] = Restore, &Container{ID: "x", Phase: Restoring, Attempts: 1}
	state.Volumes[SharedMemory] = &Volume{Path: "/run/shm"}
	must(t, pod.Save(state))
	again, err := pod.State()
	must(t, err)
	if again.Decision != Restore || again.Containers["app"].Attempts != 1 || again.Volumes[SharedMemory].Path != "/run/shm" {
		t.Errorf("got %+v", again)
	}
}

func TestLockExcludesAnotherHolder(t *testing.T) {
	base, path := lay(t, nil)
	first := open(t, base)
	must(t, first.Lock())
	other, err := os.Open(filepath.Join(path, lockFile))
	must(t, err)
	defer other.Close()
	try := func() error { return unix.Flock(int(other.Fd()), unix.LOCK_EX|unix.LOCK_NB) }
	if err := try(); err != unix.EWOULDBLOCK {
		t.Errorf("a second holder got %v", err)
	}
	first.Close()
	must(t, try())
}

func TestAPlanAfterADeclinedPodIsTooLate(t *testing.T) {
	base := filepath.Join(t.TempDir(), "restore")
	must(t, Decline(base, "pod-1", Fresh, ReasonNoPlan, "no plan", now))
	pod := open(t, base)
	state, err := pod.State()
	must(t, err)
	if state.Decision != Fresh || state.Reason != ReasonNoPlan {
		t.Errorf("got %+v", state)
	}
	if _, err := pod.Read(); !errors.Is(err, ErrNoPlan) {
		t.Errorf("got %v", err)
	}
	if err := Decline(base, "pod-1", Fresh, ReasonNoPlan, "", now); !errors.Is(err, ErrPlanExists) {
		t.Errorf("got %v", err)
	}
	late := filepath.Join(base, "late")
	must(t, os.MkdirAll(filepath.Join(late, "x"), 0o700))
	if err := os.Rename(late, filepath.Join(base, "pod-1")); err == nil {
		t.Error("a late plan replaced the decision")
	}
	entries, err := os.ReadDir(base)
	must(t, err)
	if len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestDeclineLeavesAPlanThatCameFirst(t *testing.T) {
	base, _ := lay(t, nil)
	if err := Decline(base, "pod-1", Fresh, ReasonNoPlan, "", now); !errors.Is(err, ErrPlanExists) {
		t.Errorf("got %v", err)
	}
	if _, err := open(t, base).Read(); err != nil {
		t.Error(err)
	}
}
