package nvidia

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cedana.ai/cdk/runtime/internal/oci"
)

// runtime writes a program that behaves as nvidia-container-runtime: with the argument create it edits config.json of the bundle
// by the command given, and then it calls the first runc of its candidates.
func runtime(t *testing.T, edit, candidate string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nvidia-container-runtime")
	text := `#!/bin/sh
created='' bundle='' previous=''
for each in "$@"; do
  case $previous in --bundle) bundle=$each ;; esac
  if [ "$previous" != --bundle ] && [ "$each" = create ]; then created=yes; fi
  previous=$each
done
config=$bundle/config.json
[ -z "$created" ] || { ` + edit + `
}
exec ` + candidate + ` "$@"
`
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

const config = `{"root":{"path":"rootfs"},"mounts":[]}`

// addMount adds a mount to config.json.
const addMount = `sed -i 's|"mounts":\[|&{"destination":"/usr/lib/libcuda.so.1"}|' "$config"`

func TestEdit(t *testing.T) {
	want := `{"root":{"path":"rootfs"},"mounts":[{"destination":"/usr/lib/libcuda.so.1"}]}`
	for name, each := range map[string]struct {
		edit, candidate, want, problem string
	}{
		"runc of PATH":                 {addMount, "runc", want, ""},
		"docker-runc of PATH":          {addMount, "docker-runc", want, ""},
		"runc by path":                 {addMount, "/bin/false", want, ""},
		"nothing to edit":              {":", "runc", config, ""},
		"nothing to edit, by path":     {":", "/bin/false", "", "did not edit config.json: exit status 1"},
		"an error before the edit":     {"echo no driver >&2; exit 3", "runc", "", "exit status 3: no driver"},
		"no JSON":                      {`echo "{" > "$config"`, "runc", "", "wrote an invalid config.json"},
		"another root file system":     {`sed -i s/rootfs/other/ "$config"`, "runc", "", "changed from rootfs to other"},
		"the configuration is removed": {`rm "$config"`, "runc", "", "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			work := t.TempDir()
			got, err := Edit(runtime(t, each.edit, each.candidate), "id", work, []byte(config))
			if each.problem == "" && (err != nil || string(got) != each.want) {
				t.Errorf("got %s, %v", got, err)
			}
			if each.problem != "" && (err == nil || !strings.Contains(err.Error(), each.problem)) {
				t.Errorf("got %v, want %s", err, each.problem)
			}
			if left, err := os.ReadDir(work); err != nil || len(left) > 0 {
				t.Errorf("%v is left, %v", left, err)
			}
		})
	}
}

func TestEditDoesNotRunAnotherRunc(t *testing.T) {
	directory := t.TempDir()
	trace := filepath.Join(directory, "ran")
	if err := os.WriteFile(filepath.Join(directory, "runc"), []byte("#!/bin/sh\necho ran > "+trace+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", directory+":"+os.Getenv("PATH"))
	if _, err := Edit(runtime(t, addMount, "runc"), "id", t.TempDir(), []byte(config)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(trace); err == nil {
		t.Error("the runc of PATH was run")
	}
}

// A configuration that is accepted names the same root file system for each program that reads it.
func FuzzSameRoot(f *testing.F) {
	f.Add([]byte(config), []byte(`{"root":{"path":"rootfs"},"mounts":[{"destination":"/usr/lib/libcuda.so.1"}]}`))
	f.Add([]byte(config), []byte(`{"root":{"path":"rootfs"},"Root":{"path":"other"}}`))
	f.Add([]byte(config), []byte(`{"root":{"path":"other"},"root":null}`))
	f.Add([]byte(`{}`), []byte(`{"root":null}`))
	f.Fuzz(func(t *testing.T, before, after []byte) {
		if sameRoot(before, after) != nil {
			return
		}
		was, beforeError := oci.ParseConfig(before)
		is, afterError := oci.ParseConfig(after)
		if beforeError == nil && afterError == nil && oci.RootFS("/bundle", was) != oci.RootFS("/bundle", is) {
			t.Errorf("%s becomes %s", oci.RootFS("/bundle", was), oci.RootFS("/bundle", is))
		}
	})
}

func TestEdits(t *testing.T) {
	for path, want := range map[string]bool{
		"/usr/bin/nvidia-container-runtime": true, "/usr/local/nvidia/toolkit/nvidia-container-runtime.cdi": true, "/usr/sbin/runc": false, "": false,
	} {
		if got := Edits(path); got != want {
			t.Errorf("%s: got %t", path, got)
		}
	}
}
