package freezer

import (
	"os"
	"path/filepath"
	"testing"
)

// TestStatesOfTheKernel reads every state from files as the kernel writes them.
func TestStatesOfTheKernel(t *testing.T) {
	dir := t.TempDir()
	write := func(files map[string]string) {
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, each := range []struct {
		version string
		files   map[string]string
		want    state
	}{
		{V1, map[string]string{"freezer.state": "THAWED", "freezer.self_freezing": "0", "freezer.parent_freezing": "0"}, stateThawed},
		{V1, map[string]string{"freezer.state": "FREEZING", "freezer.self_freezing": "1", "freezer.parent_freezing": "0"}, stateFreezing},
		{V1, map[string]string{"freezer.state": "FROZEN", "freezer.self_freezing": "1", "freezer.parent_freezing": "0"}, stateFrozen},
		{V1, map[string]string{"freezer.state": "FROZEN", "freezer.self_freezing": "0", "freezer.parent_freezing": "1"}, stateThawed},
		{V2, map[string]string{"cgroup.freeze": "0", "cgroup.events": "populated 1\nfrozen 0"}, stateThawed},
		{V2, map[string]string{"cgroup.freeze": "1", "cgroup.events": "populated 1\nfrozen 0"}, stateFreezing},
		{V2, map[string]string{"cgroup.freeze": "1", "cgroup.events": "populated 1\nfrozen 1"}, stateFrozen},
		{V2, map[string]string{"cgroup.freeze": "0", "cgroup.events": "populated 1\nfrozen 1"}, stateFreezing},
	} {
		write(each.files)
		if got, err := (Cgroup{each.version, dir}).state(); got != each.want || err != nil {
			t.Errorf("%v: got %s, %v", each.files, got, err)
		}
	}
	if _, err := (Cgroup{V2, "/nonexistent"}).state(); err == nil {
		t.Errorf("got %v", err)
	}
}
