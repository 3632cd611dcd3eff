package restore

import (
	"os"
	"path/filepath"
	"testing"
)

func TestADestinationIsResolvedWithinTheRoot(t *testing.T) {
	directory := t.TempDir()
	root := filepath.Join(directory, "root")
	must(t, os.MkdirAll(filepath.Join(root, "run/app"), 0o700))
	must(t, os.MkdirAll(filepath.Join(root, "var"), 0o700))
	// What a link that leads out of the root would find.
	must(t, os.MkdirAll(filepath.Join(directory, "outside/app"), 0o700))
	for name, target := range map[string]string{
		"var/run": "/run", "out": "../../outside", "loop": "loop",
	} {
		must(t, os.Symlink(target, filepath.Join(root, name)))
	}
	for name, want := range map[string]string{
		"/run/app": "/run/app", "/var/run/app": "/run/app", "/var/run/app/": "/run/app", "/var/run/new/more": "/run/new/more",
		"/": "/", "/none": "/none", "/run/app/../../var/run": "/run", "/out/app": "/out/app",
	} {
		if got, err := resolveIn(root, name); got != want || err != nil {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, want)
		}
	}
	if got, err := resolveIn(root, "/loop/x"); err == nil {
		t.Errorf("a loop is resolved to %s", got)
	}
}
