package plan

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"golang.org/x/sys/unix"
)

// newer copies the checkpoint of the pod elsewhere as another one, and returns its directory.
func newer(t *testing.T, path string) string {
	t.Helper()
	directory := filepath.Join(t.TempDir(), "newer")
	must(t, os.CopyFS(directory, os.DirFS(filepath.Join(path, "cp"))))
	root, err := os.OpenRoot(directory)
	must(t, err)
	defer root.Close()
	c, err := checkpoint.Read(root)
	must(t, err)
	pages := filepath.Join(checkpoint.Containers, "app/images/pages-1.img")
	must(t, root.WriteFile(pages, []byte("newer pages"), 0o600))
	for at, each := range c.Containers[0].Files {
		stored, err := checkpoint.ArchiveOf(root, filepath.Join(checkpoint.Containers, "app", each.Path))
		must(t, err)
		c.Containers[0].Files[at] = checkpoint.FileEntry{Path: each.Path, Archive: stored}
	}
	c.UID = "newer"
	must(t, root.Remove(checkpoint.File))
	must(t, checkpoint.Write(root, c))
	must(t, filepath.WalkDir(directory, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return errors.Join(err, os.Chmod(name, 0o700))
		}
		return os.Chmod(name, 0o600)
	}))
	return directory
}

// found is the content of the pages that the wrapper would restore.
func found(t *testing.T, base string) (*Plan, string) {
	t.Helper()
	pod := open(t, base)
	plan, err := pod.Read()
	must(t, err)
	_, err = pod.Verify(plan)
	must(t, err)
	text, err := os.ReadFile(pod.Path(plan.Checkpoint, "containers/app/images/pages-1.img"))
	must(t, err)
	return plan, string(text)
}

func checkpointsIn(t *testing.T, path string) []string {
	t.Helper()
	entries, err := os.ReadDir(path)
	must(t, err)
	names := []string{}
	for _, each := range entries {
		if each.IsDir() && !reserved[each.Name()] {
			names = append(names, each.Name())
		}
	}
	return names
}

// A process that is killed after any of the steps leaves the old plan or the new one, and the same call completes the rest.
func TestReplaceIsCompletedWhereverItWasInterrupted(t *testing.T) {
	for after, each := range []struct {
		pages string
		names []string
	}{{"pages", []string{"cp"}}, {"pages", []string{"cp", "newer"}}, {"newer pages", []string{"cp", "newer"}}, {"newer pages", []string{"newer"}}} {
		base, path := lay(t, func(p *Plan) { p.Restart, p.Lazy, p.RestoreSeconds = RestartAgain, true, 7 })
		must(t, os.Mkdir(filepath.Join(path, WorkDirectory), 0o700))
		directory := newer(t, path)
		old, _ := found(t, base)
		text, err := Prepare(directory, *old)
		must(t, err)
		interrupted := open(t, base)
		steps := []func() error{
			func() error { return interrupted.move(directory, "newer") },
			func() error { return interrupted.point(text) },
			func() error { return interrupted.DeleteOthers("newer") },
		}
		for _, step := range steps[:after] {
			must(t, step())
		}
		if _, pages := found(t, base); pages != each.pages {
			t.Errorf("after %d steps the plan has %q", after, pages)
		}
		if names := checkpointsIn(t, path); !slices.Equal(names, each.names) {
			t.Errorf("after %d steps there are %q", after, names)
		}
		pod := open(t, base)
		must(t, pod.Reserve())
		if target, moved := pod.Moved("newer"); moved {
			directory = target
		}
		// The pod's process of the interrupted call has ended, and its text is lost.
		text, err = Prepare(directory, *old)
		must(t, err)
		must(t, pod.Replace(directory, text))
		replaced, pages := found(t, base)
		if names := checkpointsIn(t, path); pages != "newer pages" || !slices.Equal(names, []string{"newer"}) {
			t.Errorf("after %d steps and a repeated call the plan has %q, of %q", after, pages, names)
		}
		if len(replaced.Seal) != 2 || replaced.Metadata == old.Metadata || replaced.Boot == "" {
			t.Errorf("got %+v", replaced)
		}
		old.Checkpoint, old.Metadata, old.Seal = "newer", replaced.Metadata, replaced.Seal
		if !reflect.DeepEqual(replaced, old) {
			t.Errorf("got %+v, want %+v", replaced, old)
		}
		if _, err := os.Lstat(filepath.Join(path, WorkDirectory)); err != nil {
			t.Error(err)
		}
	}
}

func TestPrepareRejectsADamagedCheckpoint(t *testing.T) {
	base, path := lay(t, nil)
	old, _ := found(t, base)
	for name, change := range map[string]func(string) error{
		"checksum": func(pages string) error { return os.WriteFile(pages, []byte("newer pageS"), 0o600) },
		"bytes":    func(pages string) error { return os.Truncate(pages, 1) },
		"missing": func(pages string) error {
			return os.Remove(pages)
		},
		"not named": func(pages string) error { return os.WriteFile(pages+"x", nil, 0o600) },
	} {
		directory := newer(t, path)
		must(t, change(filepath.Join(directory, "containers/app/images/pages-1.img")))
		if _, err := Prepare(directory, *old); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	reservedName := filepath.Join(t.TempDir(), WorkDirectory)
	must(t, os.Rename(newer(t, path), reservedName))
	if _, err := Prepare(reservedName, *old); err == nil || !strings.Contains(err.Error(), "not a valid name") {
		t.Errorf("got %v", err)
	}
}

func TestReserveDoesNotWait(t *testing.T) {
	base, path := lay(t, nil)
	first, second := open(t, base), open(t, base)
	must(t, first.Lock())
	if err := second.Reserve(); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v", err)
	}
	first.Close()
	must(t, second.Reserve())
	second.Close()
	// Memory is loaded while the processes run.
	work := filepath.Join(path, WorkDirectory, "app")
	must(t, os.MkdirAll(work, 0o700))
	memory, err := os.Create(filepath.Join(work, "lazy.lock"))
	must(t, err)
	defer memory.Close()
	must(t, unix.Flock(int(memory.Fd()), unix.LOCK_EX))
	if err := open(t, base).Reserve(); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v", err)
	}
}

func TestCurrentIsThePlanWithItsCheckpoint(t *testing.T) {
	base, path := lay(t, nil)
	plan, c, err := open(t, base).Current()
	must(t, err)
	if plan.Checkpoint != "cp" || c.UID != "cp" {
		t.Errorf("got %+v, %+v", plan, c)
	}
	must(t, os.RemoveAll(filepath.Join(path, "cp")))
	if _, _, err := open(t, base).Current(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	must(t, os.Remove(filepath.Join(path, File)))
	if _, _, err := open(t, base).Current(); !errors.Is(err, ErrNoPlan) {
		t.Errorf("got %v", err)
	}
}
